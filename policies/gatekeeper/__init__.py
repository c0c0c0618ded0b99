"""Gatekeeper's ConstraintTemplates, Constraints and ExpansionTemplates, unchanged and with Gatekeeper's own verdicts.

Facts are from github.com/open-policy-agent/gatekeeper v3.23 and github.com/open-policy-agent/frameworks/constraint.
"""
