"""Checks before anything reaches a cluster: inputs, the run, and how it is reported."""
