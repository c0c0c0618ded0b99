"""Why a child that ran Go ended, by what it wrote on standard error."""

from __future__ import annotations

import re
import signal
from typing import Literal

HEAD_BYTES = 4096
"""Of standard error: Go says first why it ends."""

# Go's garbage collector does not look at whether its own allocations succeed.
_EXHAUSTED = re.compile(
    r"out of memory|cannot allocate memory|MemoryError|SIGSEGV[^\0]*?\n\s+\S*runtime/m(?:gc|heap|alloc)"
)
_NESTED = re.compile(r"stack overflow|stack exceeds")


def cause(errors: bytes) -> Literal["memory", "stack", "other"]:
    """What was exhausted, if anything was."""
    text = errors[:HEAD_BYTES].decode(errors="replace")
    if _NESTED.search(text):
        return "stack"
    return "memory" if _EXHAUSTED.search(text) else "other"


def how(status: int) -> str:
    """The exit status of a child in words: a signal's name, or ``status`` and the number."""
    return signal.Signals(-status).name if status < 0 else f"status {status}"
