"""One process with one state folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from gateway.core.errors import GovgateError


@contextlib.contextmanager
def only_one(command: str, folder: Path) -> Iterator[None]:
    """Be the only process that runs this command with its state in ``folder``.

    Raises:
        GovgateError: another one is running.
    """
    descriptor = os.open(folder / f"{command}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GovgateError(
                f"another govgate {command} runs with its state in {folder} (--state-dir names another)"
            ) from None
        yield
    finally:
        os.close(descriptor)
