"""Files that several processes count in: one directory in memory, added up when Prometheus asks.

The process identifier is a worker's slot, not its pid: a restarted worker goes on in its predecessor's files.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from hashlib import sha256
from pathlib import Path

from prometheus_client import CollectorRegistry, exposition, multiprocess, values

from gateway.core.errors import GovgateError

ENVIRONMENT = "PROMETHEUS_MULTIPROC_DIR"


def directory_of(state: Path) -> Path:
    """Where the server with its state in ``state`` counts: in memory, and in the same place at each start."""
    parent = next((p for p in ("/dev/shm", tempfile.gettempdir()) if os.access(p, os.W_OK | os.X_OK)), ".")  # noqa: S108 - make_directory checks whose it is
    key = sha256(os.fsencode(state.resolve())).hexdigest()[:12]
    return Path(parent) / f"govgate-metrics-{os.getuid()}-{key}"


def make_directory(path: Path) -> None:
    """Make ``path`` an empty directory; what a server that was killed has left there goes.

    Raises:
        GovgateError: someone else's directory is in the place.
    """
    if path.is_symlink() or path.exists():
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise GovgateError(f"{path}: not a directory of this user")
        shutil.rmtree(path)
    path.mkdir(mode=0o700)


def identify(process: str, directory: Path) -> None:
    """Write under the name ``process`` in ``directory``. Call before the first metric is made."""
    os.environ[ENVIRONMENT] = os.fspath(directory)
    values.ValueClass = values.MultiProcessValue(lambda: process)  # type: ignore[no-untyped-call]


def forget(process: str, directory: Path) -> None:
    """Drop the live gauges of a process that is gone."""
    for path in directory.glob(f"gauge_live*_{process}.db"):
        path.unlink(missing_ok=True)


def render(directory: Path, accept: str) -> tuple[bytes, str]:
    """All processes' metrics as Prometheus or OpenMetrics text, and its content type. Reads files: run in a thread."""
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, path=os.fspath(directory))  # type: ignore[no-untyped-call]
    encode, content_type = exposition.choose_encoder(accept)
    return encode(registry), content_type
