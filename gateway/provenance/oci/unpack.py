"""Layers unpacked into a folder: never outside of it, never through a link, never without bound.

``pull`` makes the folder; here it is filled, one layer over the other.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tarfile
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import IO

from gateway.core.text import shown
from gateway.provenance.oci.archive import Allowance, members
from gateway.provenance.oci.errors import MalformedError, TooLargeError
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.manifest import Descriptor

TITLE = "org.opencontainers.image.title"
_TAR = re.compile(r"[./+]tar(\.gzip|\.zstd|[.+](gzip|zstd))?\Z")
_TITLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}\Z")
_PIECE = 1024 * 1024


class Unpacking:
    """One folder being filled, layer by layer, within the limits of all of them together."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.files = 0
        self._folder = folder
        self._limits = limits
        self._folders = 0
        self._allowance = Allowance(limits.unpacked_bytes)
        self._links: set[PurePosixPath] = set()

    def add(self, layer: Descriptor, file: IO[bytes]) -> None:
        """Add a layer whose bytes are in ``file``. Blocks.

        Raises:
            MalformedError: it is no archive, or would write outside of the folder.
            TooLargeError: there is too much in it.
        """
        file.seek(0)
        if not is_archive(layer.media_type):
            title = (layer.annotations or {}).get(TITLE, "")
            name = title if _TITLE.match(title) else layer.digest.removeprefix("sha256:")
            self._write(PurePosixPath(name), file, mode=0o644, allowance=self._allowance)
            return
        with members(file, self._allowance, f"layer {layer.digest}") as found:
            for member, content in found:
                self._add_member(member, content)

    def _add_member(self, member: tarfile.TarInfo, content: IO[bytes]) -> None:
        path = inside(member.name)
        if path is None or self._through_link(path) or not (path.parts or member.isdir()):
            raise MalformedError(f"archive: {member.name[:200]!r} is outside of the folder")
        target = self._folder / path
        if member.isdir():
            self._make(target)
        elif member.issym():
            self._link(path, member.linkname)
        elif member.isreg():
            self._write(path, content, mode=0o755 if member.mode & stat.S_IXUSR else 0o644)
        else:
            raise MalformedError(f"archive: {member.name[:200]!r} is neither a file nor a folder nor a symbolic link")

    def _link(self, path: PurePosixPath, target: str) -> None:
        """A symbolic link may lead to what is inside, by its text alone: up first, then down. One that goes up after it went
        down could do so behind another link, and end outside.
        """
        climbs = [part == ".." for part in target.split("/") if part not in ("", ".")]
        climbs_late = climbs != sorted(climbs, reverse=True)
        if target.startswith("/") or climbs_late or inside(f"{path.parent}/{target}") is None:
            raise MalformedError(f"archive: the link {shown(str(path))} leads out of the folder")
        self._count()
        self._prepare(path)
        (self._folder / path).symlink_to(target)
        self._links.add(path)

    def _write(self, path: PurePosixPath, content: IO[bytes], *, mode: int, allowance: Allowance | None = None) -> None:
        self._count()
        self._prepare(path)
        # Made anew: what is there already, of a layer before, was removed and is never written through.
        descriptor = os.open(self._folder / path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            while piece := content.read(_PIECE):
                if allowance is not None:
                    allowance.take(len(piece))
                file.write(piece)

    def _prepare(self, path: PurePosixPath) -> None:
        target = self._folder / path
        if any((self._folder / parent).is_file() for parent in path.parents):
            raise MalformedError(f"archive: {shown(str(path))} is below what is a file")
        self._make(target.parent)
        if target.is_symlink() or target.is_file():
            target.unlink()
            self._links.discard(path)
        elif target.is_dir():
            shutil.rmtree(target)
            self._links = {link for link in self._links if path not in link.parents}

    def _make(self, folder: Path) -> None:
        """A folder with those above it, each of them counted."""
        missing = list(takewhile(lambda one: not one.exists(), (folder, *folder.parents)))
        for one in reversed(missing):
            self._folders += 1
            self._bound()
            one.mkdir()
        if not missing:
            folder.mkdir(exist_ok=True)

    def _count(self) -> None:
        self.files += 1
        self._bound()

    def _bound(self) -> None:
        if self.files + self._folders > self._limits.unpacked_files:
            raise TooLargeError(f"archive: more than {self._limits.unpacked_files} files and folders")

    def _through_link(self, path: PurePosixPath) -> bool:
        return any(parent in self._links for parent in path.parents)


def inside(name: str) -> PurePosixPath | None:
    """The path that a name means below a folder, without parts if it is the folder itself; None if it is outside."""
    if "\\" in name or name.startswith("/"):
        return None
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return PurePosixPath(*parts)


def is_archive(media_type: str) -> bool:
    """Whether a layer of this type is a tar archive, compressed or not."""
    return _TAR.search(media_type) is not None
