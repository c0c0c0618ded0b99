"""The background scan: objects that exist, judged by the rules that judge requests.

:mod:`tally` and :mod:`report` are pure: what an outcome counts as, and the summary of a namespace. :mod:`store` is the
file of findings, :mod:`reading` reads a type page by page, :mod:`scan` is one pass over a cluster, :mod:`publish` writes
the summaries into it, and :mod:`loop` does it again and again.
"""
