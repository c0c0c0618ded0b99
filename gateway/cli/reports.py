"""A run's findings in further formats, each into a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway.ci.report import REPORTERS, Format
from gateway.ci.run import Run
from gateway.config.files import write_whole
from gateway.core.errors import UsageError

Wanted = tuple[Format, Path]


def wanted_reports(texts: Sequence[str]) -> list[Wanted]:
    """What was asked for as ``FORMAT=FILE``.

    Raises:
        UsageError: one names no format, or no file.
    """
    found: list[Wanted] = []
    for text in texts:
        name, _, path = text.partition("=")
        chosen = next((known for known in REPORTERS if known == name), None)
        if chosen is None or not path:
            raise UsageError(f"--report {text}: FORMAT=FILE, with a format of {', '.join(REPORTERS)}")
        found.append((chosen, Path(path)))
    return found


def write_reports(run: Run, reports: Sequence[Wanted]) -> None:
    """Write each, whole or not at all.

    Raises:
        GovgateError: a file cannot be written.
    """
    for chosen, path in reports:
        write_whole(path, REPORTERS[chosen](run).encode())
