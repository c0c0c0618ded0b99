"""Loops that work on a cluster beside its admission: the background scan."""
