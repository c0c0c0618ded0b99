"""Files, read within bounds, and written whole; and those that others replace under a running server: seeing the change, and reading several
as of one moment.

kubelet swaps the ``..data`` symbolic link of a mounted Secret or ConfigMap, so that all its files change at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from gateway.core.errors import ConfigError, GovgateError

_ATTEMPTS = 5
_MAX_LINKS = 40
"""As many as Linux follows."""

Fingerprint = tuple[tuple[str | int, ...], ...]
"""What identifies the content of each file, without reading it."""


def fingerprint(paths: Sequence[str]) -> Fingerprint:
    """The state of ``paths``: equal as long as no file was replaced or written. Never raises: absence is a state."""
    links: dict[str, str] = {}
    return tuple(_state(path, links) for path in paths)


def read_together(paths: Sequence[str], *, max_bytes: int) -> tuple[bytes, ...]:
    """The content of all ``paths`` as of one moment: none of them changed while they were read.

    Raises:
        ConfigError: a file cannot be read, is larger than ``max_bytes``, or they keep changing.
    """
    for _ in range(_ATTEMPTS):
        before = fingerprint(paths)
        # Read where the links led just now: one that is swapped, and swapped back, is not followed meanwhile.
        content = tuple(
            read_bounded(path, max_bytes=max_bytes, real=str(state[0]))
            for path, state in zip(paths, before, strict=True)
        )
        if fingerprint(paths) == before:
            return content
    raise ConfigError(f"{', '.join(paths)}: kept changing while they were read")


def _resolved(path: str, links: dict[str, str]) -> str:
    """Where a path leads. ``links``: the targets that were read already, empty for what is no link: each is read once,
    so that paths through one link are as of one moment, however often it is swapped.
    """
    rest, at, followed = os.path.join(os.getcwd(), path).split("/")[::-1], "", 0  # noqa: PTH109, PTH118 - no Path objects
    while rest:
        name = rest.pop()
        if name in {"", "."}:
            continue
        if name == "..":
            at = at.rpartition("/")[0]
            continue
        below = f"{at}/{name}"
        if below not in links:
            try:
                links[below] = os.readlink(below)  # noqa: PTH115 - the same
            except OSError:
                links[below] = ""
        target = links[below]
        if not target or followed == _MAX_LINKS:
            at = below
            continue
        followed += 1
        at = "" if target.startswith("/") else at
        rest += target.split("/")[::-1]
    return at or "/"


def _state(path: str, links: dict[str, str]) -> tuple[str | int, ...]:
    real = _resolved(path, links)
    try:
        status = os.stat(real)  # noqa: PTH116 - no Path object a second per file
    except OSError as error:
        return (real, error.errno or 0)
    return (real, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def read_bounded(path: str | Path, *, max_bytes: int, real: str | Path | None = None) -> bytes:
    """The whole of a file. ``real``: where it lies, if its name is not to be followed now.

    Raises:
        ConfigError: it cannot be read, or is larger than ``max_bytes``.
    """
    try:
        with Path(real or path).open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > max_bytes:
        raise ConfigError(f"{path}: larger than {max_bytes} bytes")
    return data


def write_whole(path: Path, data: bytes) -> None:
    """A file with this content, in place of what is there, if anything: whole, or not at all.

    Raises:
        GovgateError: it cannot be written; what was there before is, and nothing else is left.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        try:
            new.write_bytes(data)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise GovgateError(f"{path}: cannot be written: {error.strerror}") from None
