"""An artifact into a folder: only what was verified, and all of it or none of it."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from gateway.core.errors import GovgateError
from gateway.provenance.oci.errors import MalformedError, TooLargeError
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.source import Source
from gateway.provenance.oci.unpack import Unpacking


class PullError(GovgateError):
    """The folder cannot be written."""


async def pull(source: Source, digest: str, folder: Path, limits: Limits) -> int:
    """Write the layers of the artifact with this digest; returns how many files there are.

    Layers that are archives are unpacked, one over the other; others are files, named as their title says.

    Raises:
        PullError: the folder is not empty, or cannot be written.
        RegistryError: the artifact cannot be read, is too large, or would be written elsewhere.
    """
    manifest = (await source.manifest(digest)).manifest
    if manifest.is_index:
        raise MalformedError(f"{digest}: an index of several artifacts: name one of them by its digest")
    layers = manifest.layers or ()
    if sum(layer.size for layer in layers) > limits.pull_bytes:
        raise TooLargeError(f"{digest}: larger than {limits.pull_bytes} bytes")
    try:
        with _scratch(folder) as scratch:
            unpacking = Unpacking(Path(scratch, "made"), limits)
            for layer in layers:
                with tempfile.TemporaryFile(dir=scratch) as file:
                    await source.blob(layer, file, limit=limits.pull_bytes, what=f"layer {layer.digest}")
                    await asyncio.to_thread(unpacking.add, layer, file)
            _put(Path(scratch, "made"), folder)
            return unpacking.files
    except OSError as error:
        raise PullError(f"{folder}: cannot be written: {error.strerror}") from None


def _scratch(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder beside the one that is to be, on the same file system."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PullError(f"{folder}: is there already, and not an empty folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.")
    Path(scratch.name, "made").mkdir()
    return scratch


def _put(made: Path, folder: Path) -> None:
    if folder.exists():
        folder.rmdir()
    made.rename(folder)
