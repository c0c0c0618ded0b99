"""What a child that ran Go wrote as it ended."""

from __future__ import annotations

import pytest

from gateway.native import crash

COLLECTOR = b"""SIGSEGV: segmentation violation
PC=0x7f31 m=5 sigcode=1 addr=0x0

goroutine 0 gp=0xc000 m=5 mp=0xc0 [idle]:
runtime.(*mspan).init(...)
\t/usr/lib/go/src/runtime/mheap.go:1390
"""


@pytest.mark.parametrize(
    ("errors", "cause"),
    [
        (b"fatal error: runtime: out of memory\n\ngoroutine 1", "memory"),
        (b"runtime: mmap(0xc000, 4096) returned 0x0, 12: cannot allocate memory", "memory"),
        (b"Traceback (most recent call last):\n  File x\nMemoryError", "memory"),
        (COLLECTOR, "memory"),
        (COLLECTOR.replace(b"runtime/mheap", b"govgate/handler"), "other"),
        (b"runtime: goroutine stack exceeds 1000000000-byte limit\nfatal error: stack overflow", "stack"),
        (b"", "other"),
        (b"\xff" * 9000 + b"out of memory", "other"),
    ],
)
def test_a_crash_has_a_cause(errors: bytes, cause: str) -> None:
    """Memory also where Go's own collector did not look whether it had any; only what it says first counts."""
    assert crash.cause(errors) == cause


def test_an_end_has_words() -> None:
    """A signal by its name."""
    assert (crash.how(-11), crash.how(2)) == ("SIGSEGV", "status 2")
