"""Secrets for GitOps: sealed values, and plaintext that should have been sealed.

The folder above has no ``__init__.py``: a package ``secrets`` at the root of the repository would hide the module of
that name of Python's standard library from everything that is run there.
"""
