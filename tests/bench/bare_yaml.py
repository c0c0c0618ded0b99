"""Reads the YAML files of a folder as Kubernetes reads them, many a call, and does nothing with them."""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.native.manifests import read_files

TOGETHER = 256


def main(folder: Path) -> None:
    """Read all of them."""
    paths = sorted(folder.iterdir())
    for start in range(0, len(paths), TOGETHER):
        read_files([path.read_bytes() for path in paths[start : start + TOGETHER]])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
