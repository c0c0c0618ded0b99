"""Kyverno's policies, unchanged, judged by Kyverno's own command line.

:mod:`policies.kyverno.policy` reads what a policy states, :mod:`policies.kyverno.needs` what it must know,
:mod:`policies.kyverno.actions` what its findings do; these are pure. :mod:`policies.kyverno.command` runs the program,
:mod:`policies.kyverno.report` reads what it prints, and :mod:`policies.kyverno.judging` puts them together.
"""
