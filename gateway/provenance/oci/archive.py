"""Tar archives as a stream, with a bound on everything that reading them takes, not only on what is in their files."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

import zstandard

from gateway.provenance.oci.errors import MalformedError, TooLargeError

_EXTENSION_BYTES = 1024 * 1024
"""Of one header that says more about the next member (a long name, PAX records): the library reads it into memory."""
_GLOBAL_BYTES = 64 * 1024
"""Of PAX records about all members that follow, in all: the library copies them for each member."""
_WINDOW_BYTES = 32 * 1024 * 1024
"""Of what a zstd frame may have its reader keep: RFC 8878 recommends 8 MiB; layers that are packed the hardest take this."""
_ZSTD_HEADER_BYTES = 18
_EXTENSIONS = frozenset(
    (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
)
# RecursionError: headers about headers about headers.
_UNREADABLE = (
    tarfile.TarError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError, EOFError, ValueError, RecursionError
)  # fmt: skip


class Allowance:
    """How many more bytes may be read of all archives together, decompressed, headers and padding included."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._read = 0

    def take(self, count: int) -> None:
        """Count what was read.

        Raises:
            TooLargeError: it is more than there may be.
        """
        self._read += count
        if self._read > self._limit:
            raise TooLargeError(f"archive: more than {self._limit} bytes")


@contextmanager
def members(file: IO[bytes], allowance: Allowance, what: str) -> Iterator[Iterator[tuple[tarfile.TarInfo, IO[bytes]]]]:
    """The members of an archive, one after the other, each with its content, to be read before the next one is asked for.

    Raises:
        MalformedError: not an archive, or one of a form that nobody needs.
        TooLargeError: more than allowed.
    """
    try:
        counted = cast("IO[bytes]", _Counted(_decompressed(file), allowance))
        with tarfile.open(fileobj=counted, mode="r|", tarinfo=_header_class()) as archive:
            yield _each(archive)
    except _UNREADABLE as error:
        raise MalformedError(f"{what}: not an archive that can be read: {str(error)[:200]}") from None


def _each(archive: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    for member in archive:
        content = archive.extractfile(member) if member.isreg() else None
        yield member, content if content is not None else cast("IO[bytes]", _NOTHING)
        # The library keeps all of them, with all that was said about each.
        archive.members.clear()  # type: ignore[attr-defined]


class _Nothing:
    def read(self, size: int = -1) -> bytes:
        del size
        return b""


_NOTHING = _Nothing()


class _Counted:
    """Counts what is read through it."""

    def __init__(self, file: IO[bytes], allowance: Allowance) -> None:
        self._file = file
        self._allowance = allowance

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._allowance.take(len(data))
        return data


def _header_class() -> type[tarfile.TarInfo]:
    """Headers of one archive: refused before the library reads what they announce."""
    global_bytes = 0

    class Header(tarfile.TarInfo):
        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Header:
            nonlocal global_bytes
            made = super().frombuf(buf, encoding, errors)
            if made.type in _EXTENSIONS and not 0 <= made.size <= _EXTENSION_BYTES:
                raise TooLargeError(f"archive: a header of more than {_EXTENSION_BYTES} bytes")
            if made.type == tarfile.XGLTYPE:
                global_bytes += made.size
                if global_bytes > _GLOBAL_BYTES:
                    raise TooLargeError(f"archive: more than {_GLOBAL_BYTES} bytes of headers about all members")
            if made.type == tarfile.GNUTYPE_SPARSE:
                raise MalformedError("archive: a sparse file")
            return made

        def _proc_gnusparse_10(self, *_: Any) -> None:
            """The library would read a map of any length."""
            raise MalformedError("archive: a sparse file")

        _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10

    return Header


def _decompressed(file: IO[bytes]) -> IO[bytes]:
    """By what the bytes are: media types lie about compression often enough."""
    head = file.read(4)
    file.seek(0)
    if head[:2] == b"\x1f\x8b":
        return gzip.open(file, "rb")  # type: ignore[return-value]
    if head == b"\x28\xb5\x2f\xfd":
        return _zstd(file)
    return file


def _zstd(file: IO[bytes]) -> IO[bytes]:
    window = zstandard.get_frame_parameters(file.read(_ZSTD_HEADER_BYTES)).window_size
    file.seek(0)
    if window > _WINDOW_BYTES:
        raise TooLargeError(f"archive: a zstd frame that takes {window} bytes to read, more than {_WINDOW_BYTES}")
    return zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).stream_reader(file)
