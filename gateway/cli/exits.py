"""Exit codes, the same for every command. Other people's scripts depend on them."""

CLEAN = 0
FAILED = 1
"""The run itself failed: bad input, unreachable store, a bug."""
WARNED = 2
"""Only warnings, and ``--fail-on warn`` was given."""
DENIED = 3
USAGE = 64
