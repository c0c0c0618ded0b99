"""What archives may write, and what layouts hold."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gateway.provenance.oci.candidates import Looker
from gateway.provenance.oci.errors import MalformedError, NotFoundError, RegistryError, TooLargeError
from gateway.provenance.oci.layout import Layout
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.manifest import Descriptor
from gateway.provenance.oci.pull import PullError, pull
from gateway.provenance.oci.reference import LayoutReference
from gateway.provenance.oci.unpack import Unpacking, inside, is_archive

TAR = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
Member = tuple[str, bytes | None, str, bytes]
"""Name, type (None: a file), link target, content."""


def tar(*members: Member) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, kind, target, content in members:
            info = tarfile.TarInfo(name)
            info.type = kind or tarfile.REGTYPE
            info.linkname = target
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def file(name: str, content: bytes = b"x") -> Member:
    return name, None, "", content


def link(name: str, target: str) -> Member:
    return name, tarfile.SYMTYPE, target, b""


def unpack(folder: Path, *archives: bytes, limits: Limits | None = None) -> Unpacking:
    folder.mkdir(exist_ok=True)
    unpacking = Unpacking(folder, limits or Limits())
    for data in archives:
        unpacking.add(Descriptor(TAR, "sha256:" + "0" * 64, len(data)), io.BytesIO(data))
    return unpacking


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())


def zstd_frame(descriptor: bytes, content: bytes) -> bytes:
    """A frame made by hand: what it says of itself, and the content in one raw block (RFC 8878)."""
    return b"\x28\xb5\x2f\xfd" + descriptor + (len(content) << 3 | 1).to_bytes(3, "little") + content


def test_a_frame_says_how_much_memory_reading_it_takes(tmp_path: Path):
    """And is refused for that alone: nobody's layer needs a terabyte, and few need more than eight MiB."""
    content = tar(file("a", b"1"))
    unpack(tmp_path / "small", zstd_frame(bytes((0, 13 << 3)), content))  # 8 MiB
    unpack(tmp_path / "most", zstd_frame(bytes((0, 15 << 3)), content))
    assert (tmp_path / "most/a").read_bytes() == b"1"
    more_than_most, two_gib = bytes((0, 15 << 3 | 1)), bytes((0, 21 << 3))
    one_segment = b"\xe0" + (64 * 1024 * 1024).to_bytes(8, "little")
    for number, descriptor in enumerate((more_than_most, two_gib, one_segment)):
        with pytest.raises(TooLargeError, match="takes"):
            unpack(tmp_path / str(number), zstd_frame(descriptor, content))
    for useless in (b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfd\x00", zstd_frame(bytes((0, 0xFF)), content)):
        with pytest.raises(MalformedError):
            unpack(tmp_path / "useless", useless)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
def test_archives_are_unpacked(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Plain, gzip and zstd; a later layer goes over an earlier one; only the owner's x-bit is kept."""
    unpack(tmp_path / "o", pack(tar(file("a/b", b"1"), file("c"))), pack(tar(file("./a/b", b"2"), link("l", "a/b"))))
    assert names(tmp_path / "o") == ["a/b", "c", "l"]
    assert (tmp_path / "o/l").read_bytes() == b"2"


@pytest.mark.parametrize(
    "members",
    [
        [file("../x")], [file("/x")], [file("a/../../x")], [file("a\\..\\x")],
        [link("l", "/etc")], [link("l", "..")], [link("l", "../x")], [link("a/l", "../../x")],
        [link("l", "."), file("l/x")], [link("l", "d"), file("l/../../x")], [link("l", "d"), link("l/m", "x")],
        [file("x/y/z/f"), file("top/f"), link("x/y/z/l", "../../../top"), link("m", "x/y/z/l/../../q")],
        [("h", tarfile.LNKTYPE, "/etc/passwd", b"")], [file("a"), ("h", tarfile.LNKTYPE, "a", b"")],
        [("d", tarfile.CHRTYPE, "", b"")], [("d", tarfile.BLKTYPE, "", b"")], [("p", tarfile.FIFOTYPE, "", b"")],
    ],
)  # fmt: skip
def test_nothing_is_written_outside(tmp_path: Path, members: list[Member]) -> None:
    """Not by a path, not through a link, not by a link; no devices."""
    (tmp_path / "o").mkdir()
    with pytest.raises(MalformedError):
        unpack(tmp_path / "o", tar(*members))
    assert [path.name for path in tmp_path.iterdir()] == ["o"]


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    """A file of the name of a link that an earlier layer made."""
    unpack(tmp_path / "o", tar(file("a", b"old"), link("l", "a")), tar(file("l", b"new")))
    assert (tmp_path / "o/a").read_bytes() == b"old"
    assert (tmp_path / "o/l").read_bytes() == b"new"
    unpack(tmp_path / "p", tar(link("l", "d")), tar(file("l")), tar(file("d/x")))
    assert not (tmp_path / "p/l").is_symlink()


def test_a_later_layer_replaces_what_is_there(tmp_path: Path) -> None:
    """A folder by a file, a file by a link, a link by a file; folders are kept as they are."""
    folder = ("d", tarfile.DIRTYPE, "", b"")
    root = ("./", tarfile.DIRTYPE, "", b"")
    unpack(tmp_path / "o", tar(root, folder, file("a/b"), file("c")), tar(folder, file("a", b"2"), link("c", "a")))
    assert names(tmp_path / "o") == ["a", "c"]
    assert (tmp_path / "o/d").is_dir()
    assert (tmp_path / "o/c").read_bytes() == b"2"
    for below in (tar(file("a/x")), tar(file("."))):
        with pytest.raises(MalformedError):
            unpack(tmp_path / "p", tar(file("a")), below)


@pytest.mark.parametrize("target", ["c", "./c", "d/x", "../c", "./../c", "../d/../d/x", "..//c"])
def test_a_link_may_lead_to_what_is_inside(tmp_path: Path, target: str) -> None:
    """Up first, then down; from where the link is. Up again after down is refused, also where it would be inside."""
    made = tar(file("c"), file("d/x"), link("d/l", target))
    if target == "../d/../d/x":
        with pytest.raises(MalformedError):
            unpack(tmp_path / "o", made)
        return
    unpack(tmp_path / "o", made)
    assert (tmp_path / "o/d/l").readlink() == Path(target)


def test_what_is_no_archive_is_malformed(tmp_path: Path) -> None:
    """Cut off, of something else, of nothing."""
    whole = gzip.compress(tar(file("a", b"x" * 10_000)), compresslevel=0)
    for data in (whole[:5_000], b"garbage" * 200, b"", zstandard.ZstdCompressor().compress(b"x"), gzip.compress(b"y")):
        with pytest.raises(MalformedError, match="not an archive"):
            unpack(tmp_path / "o", data)


def test_names_in_messages_are_short_and_printable(tmp_path: Path) -> None:
    """However long an archive makes them."""
    long = "\x1b" * 100 + "/x" * 1000
    for data in (tar(link(long, "/etc")), tar(file("\x1b" * 100), file(long)), tar(file("../../" + long))):
        with pytest.raises(MalformedError) as raised:
            unpack(tmp_path / "o", data)
        assert "\x1b" not in str(raised.value)
        assert len(str(raised.value)) < 900


def test_links_are_counted(tmp_path: Path) -> None:
    """They are files too."""
    with pytest.raises(TooLargeError):
        unpack(
            tmp_path / "o", tar(*(link(f"l{number}", "x") for number in range(11))), limits=Limits(unpacked_files=10)
        )


def test_bombs_are_not_unpacked(tmp_path: Path) -> None:
    """By bytes and by files."""
    bomb = gzip.compress(tar(file("x", b"\0" * 1_000_000)))
    assert len(bomb) < 5_000
    with pytest.raises(TooLargeError):
        unpack(tmp_path / "o", bomb, limits=Limits(unpacked_bytes=100_000))
    with pytest.raises(TooLargeError):
        unpack(tmp_path / "p", tar(*(file(str(number)) for number in range(11))), limits=Limits(unpacked_files=10))


def header(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("kind", [b"x", b"g", b"X", b"L", b"K"])
def test_a_header_is_not_read_into_memory_whatever_its_size(tmp_path: Path, kind: bytes) -> None:
    """It is refused for the size it says, before what it says is read."""
    bomb = gzip.compress(header(kind, 40_000_000) + bytes(40_000_000), compresslevel=1)
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError, match="a header of more than"):
            unpack(tmp_path / "o", bomb)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_headers_count_as_what_is_unpacked(tmp_path: Path) -> None:
    """Many small ones are as much as a large one; those about all members have a bound of their own."""
    for kind, size, limits in ((b"x", 500_000, Limits(unpacked_bytes=2_000_000)), (b"g", 30_000, Limits())):
        one = (
            header(kind, size // 512 * 512)
            + f"{size // 512 * 512} comment=".encode().ljust(size // 512 * 512 - 1)
            + b"\n"
        )
        with pytest.raises(TooLargeError, match="more than"):
            unpack(tmp_path / "o", one * 6, limits=limits)


def test_headers_about_headers_end(tmp_path: Path) -> None:
    """However many there are."""
    with pytest.raises(MalformedError, match="not an archive"):
        unpack(tmp_path / "o", header(b"x", 0) * 5_000)


def test_sparse_files_are_refused(tmp_path: Path) -> None:
    """Their maps have no bound, in any of the four forms; no tool writes them into layers unasked."""
    with pytest.raises(MalformedError, match="sparse"):
        unpack(tmp_path / "o", header(b"S", 0))
    for records in (
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
        {"GNU.sparse.map": "0,1"},
        {"GNU.sparse.size": "1", "GNU.sparse.numblocks": "1"},
    ):
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
            info = tarfile.TarInfo("x")
            info.pax_headers, info.size = records, 1024
            archive.addfile(info, io.BytesIO(b"1\n0\n1\n".ljust(1024, b"\0")))
        with pytest.raises(MalformedError, match="sparse"):
            unpack(tmp_path / "o", made.getvalue())


def test_folders_are_counted(tmp_path: Path) -> None:
    """Those of an archive, and those that a file's path needs; one that is there already is none more."""
    folders = tar(*((f"d{number}", tarfile.DIRTYPE, "", b"") for number in range(11)))
    for data in (folders, tar(file("a/" * 11 + "x"))):
        with pytest.raises(TooLargeError, match="folders"):
            unpack(tmp_path / "o", data, limits=Limits(unpacked_files=10))
    again = tar(*(("d", tarfile.DIRTYPE, "", b"") for _ in range(11)), file("d/x"))
    assert unpack(tmp_path / "p", again, limits=Limits(unpacked_files=2)).files == 1


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_our_error(data: bytes) -> None:
    """Garbage, and what begins like an archive."""
    for head in (b"", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"):
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(RegistryError):
            unpack(Path(folder), head + data)


@given(st.text(alphabet="ab./\\\0", max_size=20))
def test_a_path_is_inside_or_none(name: str) -> None:
    """However it is written."""
    found = inside(name)
    if found is not None:
        assert os.path.normpath(f"/base/o/{found}").startswith("/base/o")
        assert ".." not in found.parts


def test_types_of_archives() -> None:
    """Those of images, Flux and Helm; not those of texts."""
    assert inside("a/../b") == PurePosixPath("b")
    for kind in (
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        TAR,
        TAR + "+gzip",
        TAR + "+zstd",
        "application/vnd.cncf.flux.content.v1.tar+gzip",
    ):
        assert is_archive(kind)
    assert is_archive("application/vnd.cncf.helm.chart.content.v1.tar+gzip")
    assert not is_archive("application/vnd.cncf.openpolicyagent.policy.layer.v1+rego")
    assert not is_archive("text/target")


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Folder:
    """A layout being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._blobs = path / "blobs/sha256"
        self._blobs.mkdir(parents=True)
        self.entries: list[dict[str, Any]] = []

    def blob(self, data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        (self._blobs / digest(data).removeprefix("sha256:")).write_bytes(data)
        return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}

    def manifest(self, *layers: dict[str, Any], tag: str = "", **more: Any) -> dict[str, Any]:
        config = self.blob(b"{}", "application/x")
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers, **more}
        named = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
        entry = self.blob(json.dumps(document).encode(), MANIFEST, **named)
        self.entries.append(entry)
        index = {"schemaVersion": 2, "manifests": self.entries}
        (self.path / "index.json").write_text(json.dumps(index))
        return entry

    def open(self) -> Layout:
        return Layout(LayoutReference(str(self.path)))


def test_a_layout_is_read_like_a_registry(tmp_path: Path) -> None:
    """Tags, digests, referrers by their subject, older signatures by their tag."""
    folder = Folder(tmp_path / "l")
    artifact = folder.manifest(folder.blob(tar(file("a")), TAR), tag="v1")
    subject = {name: artifact[name] for name in ("mediaType", "digest", "size")}
    bundle = "application/vnd.dev.sigstore.bundle.v0.3+json"
    folder.manifest(folder.blob(b"{}", bundle), subject=subject, artifactType=bundle)
    simple = folder.blob(b"{}", "application/vnd.dev.cosign.simplesigning.v1+json", annotations={"a": "b"})
    folder.manifest(simple, tag=artifact["digest"].replace(":", "-") + ".sig")

    async def look() -> list[str]:
        layout = folder.open()
        assert (await layout.manifest("v1")).digest == artifact["digest"]
        assert await layout.only() == artifact["digest"]
        looker = Looker(layout, artifact["digest"], ("sigstore-bundle", "cosign-legacy"), Limits())
        return [one.format async for found in looker.rounds() for one in found.candidates]

    assert asyncio.run(look()) == ["sigstore-bundle", "cosign-legacy"]


def test_a_layout_that_was_tampered_with_is_malformed(tmp_path: Path) -> None:
    """A blob that is not what its name says, an index that is none, a tag that is there twice or not at all."""
    folder = Folder(tmp_path / "l")
    artifact = folder.manifest(folder.blob(b"1", TAR), tag="v1")
    path = folder.path / "blobs/sha256" / artifact["digest"].removeprefix("sha256:")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(MalformedError, match="digest"):
        asyncio.run(folder.open().manifest("v1"))
    with pytest.raises(NotFoundError):
        asyncio.run(folder.open().manifest("v2"))
    folder.manifest(folder.blob(b"2", TAR), tag="v1")
    with pytest.raises(MalformedError, match="several"):
        asyncio.run(folder.open().manifest("v1"))
    (folder.path / "index.json").write_text("{}")
    with pytest.raises(MalformedError):
        asyncio.run(folder.open().manifest("v1"))
    with pytest.raises(NotFoundError):
        asyncio.run(Layout(LayoutReference(str(tmp_path / "nowhere"))).manifest("v1"))


def test_a_pull_is_all_or_nothing(tmp_path: Path) -> None:
    """A second layer that is bad leaves no folder, and nothing beside it."""
    folder = Folder(tmp_path / "l")
    good, bad = folder.blob(tar(file("a")), TAR), folder.blob(tar(file("../x")), TAR)
    text = folder.blob(b"hello", "text/plain", annotations={"org.opencontainers.image.title": "notes.txt"})
    evil = folder.blob(b"evil", "text/plain", annotations={"org.opencontainers.image.title": "../../evil"})
    whole, broken = folder.manifest(good, text, evil), folder.manifest(good, bad)
    into = tmp_path / "out"
    with pytest.raises(MalformedError):
        asyncio.run(pull(folder.open(), broken["digest"], into, Limits()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l"]
    with pytest.raises(TooLargeError):
        asyncio.run(pull(folder.open(), whole["digest"], into, Limits(pull_bytes=10)))
    assert asyncio.run(pull(folder.open(), whole["digest"], into, Limits())) == 3
    assert names(into) == sorted(["a", "notes.txt", digest(b"evil").removeprefix("sha256:")])
    with pytest.raises(PullError):
        asyncio.run(pull(folder.open(), whole["digest"], into, Limits()))
