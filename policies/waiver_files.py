"""PolicyWaivers from files: as a cluster has them, with their approvals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.config.files import read_bounded
from gateway.core.errors import ConfigError
from gateway.native.manifests import read_files
from policies.waivers import Waiver, is_waiver, read_waiver

MAX_BYTES = 16 * 1024 * 1024


def read_waiver_files(paths: Sequence[Path]) -> list[Waiver]:
    """The waivers in YAML or JSON files; other objects are left out, lists are taken apart.

    Raises:
        ConfigError: a file cannot be read, or a waiver in it is wrong; names the file.
    """
    found: list[Waiver] = []
    for path, file in zip(paths, read_files([read_bounded(path, max_bytes=MAX_BYTES) for path in paths]), strict=True):
        if file.problem is not None:
            raise ConfigError(f"{path}:{file.problem.line}: {file.problem.message}")
        for document in file.documents:
            value = msgspec.json.decode(document.json)
            items = value.get("items", [value]) if isinstance(value, dict) else ()
            found += [
                read_waiver(item, source=f"{path}:{document.line}")
                for item in items
                if isinstance(item, dict) and is_waiver(item)
            ]
    return found
