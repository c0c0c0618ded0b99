"""OPA bundles, as the real opa builds and signs them."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support.tools import tool

from gateway.native import inspect
from gateway.native.inspect import Key, read_bundle
from gateway.native.library import NativeError

pytestmark = pytest.mark.native

RULE = "package a.b\n\ndeny contains data.a.limit if input.x\n"
OLD = "package old\n\ndeny[msg] { msg := input.x }\n"


def opa(folder: Path, *arguments: str) -> None:
    subprocess.run([tool("opa"), *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def key_pair(folder: Path, name: str) -> str:
    """A new key; its private half lies in ``folder``."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem, raw = serialization.Encoding.PEM, serialization.NoEncryption()
    form = serialization.PrivateFormat.TraditionalOpenSSL
    (folder / f"{name}.pem").write_bytes(private.private_bytes(pem, form, raw))
    public = private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub").write_bytes(public)
    return public.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two modules with a manifest that says their versions, and data."""
    rules = tmp_path / "rules"
    (rules / "a").mkdir(parents=True)
    (rules / "a" / "b.rego").write_text(RULE)
    (rules / "a" / "data.json").write_text('{"limit": 9007199254740993}')
    (rules / "old.rego").write_text(OLD)
    manifest = '{"roots": ["a", "old"], "rego_version": 1, "file_rego_versions": {"/old.rego": 0}, "revision": "7"}'
    (rules / ".manifest").write_text(manifest)
    return tmp_path


def built(folder: Path) -> bytes:
    opa(folder / "rules", "build", "-b", ".", "-o", "../bundle.tar.gz")
    return (folder / "bundle.tar.gz").read_bytes()


def test_a_bundle_is_read_whole(folder: Path) -> None:
    """Modules with their versions, data where it lies, the manifest's revision and roots."""
    read = read_bundle(built(folder), {})
    assert {module.path.lstrip("/"): module.version for module in read.modules} == {"a/b.rego": 1, "old.rego": 0}
    assert read.data == {"a": {"limit": 9007199254740993}}
    assert read.roots == ("a", "old")
    assert read.revision == "7"


def signed(folder: Path, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(built(folder))) as archive:
        archive.extractall(folder / "signed", filter="data")
    opa(folder / "signed", "sign", "-b", ".", "--signing-key", f"../{name}.pem", "--signing-alg", "ES256")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path in sorted((folder / "signed").rglob("*")):
            member = archive.gettarinfo(path)
            # As opa itself writes them: the manifest's file_rego_versions name files from the root.
            member.name = f"/{path.relative_to(folder / 'signed')}"
            archive.addfile(member, io.BytesIO(path.read_bytes()) if path.is_file() else None)
    return out.getvalue()


def test_a_signature_is_verified(folder: Path) -> None:
    """By the key that signed; not by another, not where there is none, and not unless keys are given."""
    ours, others = key_pair(folder, "ours"), key_pair(folder, "others")
    archive = signed(folder, "ours")
    assert len(read_bundle(archive, {"ours.pub": Key(ours, "ES256")}).modules) == 2
    with pytest.raises(NativeError, match="verify"):
        read_bundle(archive, {"ours.pub": Key(others, "ES256")})
    with pytest.raises(NativeError, match="scope"):
        read_bundle(archive, {"ours.pub": Key(ours, "ES256")}, scope="write")
    with pytest.raises(NativeError, match=r"signatures\.json"):
        read_bundle(built(folder), {"ours.pub": Key(ours, "ES256")})
    with pytest.raises(NativeError, match="verification key"):
        read_bundle(archive, {})


def repacked(archive: bytes, name: str, content: bytes) -> bytes:
    """The archive with one file's content replaced, or added."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as source, tarfile.open(fileobj=out, mode="w:gz") as target:
        for member in source:
            if member.name.lstrip("/") != name:
                target.addfile(member, source.extractfile(member))
        added = tarfile.TarInfo("/" + name)
        added.size = len(content)
        target.addfile(added, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize("name", ["a/b.rego", "a/more.rego", "a/c/data.json"])
def test_what_was_not_signed_is_refused(folder: Path, name: str) -> None:
    """A file that was changed or added after signing spoils the bundle."""
    ours = key_pair(folder, "ours")
    content = b'{"x": 1}' if name.endswith("json") else RULE.replace("input.x", "input.y").encode()
    with pytest.raises(NativeError, match=r"digest mismatch|not included"):
        read_bundle(repacked(signed(folder, "ours"), name, content), {"ours.pub": Key(ours, "ES256")})


def test_what_is_no_bundle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truncated, not packed, not Rego, outside its roots, or unpacking to too much: refused, with the reason."""
    archive = built(folder)
    for broken in (b"", b"no bundle", archive[:-20], gzip.compress(b"no tar")):
        with pytest.raises(NativeError):
            read_bundle(broken, {})
    with pytest.raises(NativeError, match=r"a/b\.rego"):
        read_bundle(repacked(archive, "a/b.rego", b"package a.b\n\nfoo {{"), {})
    with pytest.raises(NativeError, match="roots"):
        read_bundle(repacked(archive, "c.rego", b"package c\n"), {})
    monkeypatch.setattr(inspect, "MAX_BUNDLE_BYTES", 100_000)
    with pytest.raises(NativeError, match="unpacks to more than 100000 bytes"):
        read_bundle(repacked(archive, "a/c.rego", b"package a.c\n" + b"#" * 100_000), {})
