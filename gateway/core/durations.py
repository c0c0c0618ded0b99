"""Go durations (``time.Duration``), as Kubernetes objects and requests state them."""

from __future__ import annotations

import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> float:
    """Seconds in a Go duration such as ``10s``, ``1m30s`` or ``500ms``.

    Raises:
        ValueError: Go's ``time.ParseDuration`` would refuse it too.
    """
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    if unsigned == "0":
        return 0.0
    seconds, end = 0.0, 0
    while end < len(unsigned):
        part = _PART.match(unsigned, end)
        if part is None:
            break
        seconds += float(part[1]) * _UNITS[part[2]]
        end = part.end()
    if not unsigned or end != len(unsigned):
        raise ValueError("not a duration")
    return -seconds if text[0] == "-" else seconds
