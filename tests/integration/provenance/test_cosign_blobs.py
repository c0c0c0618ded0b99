"""What the pinned cosign signs offline, with keys of every kind, verifies here."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from support.tools import tool

from gateway.cli.app import run

pytestmark = pytest.mark.servers

SIGNING_CONFIG = {
    "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
    "caUrls": [],
    "oidcUrls": [],
    "rekorTlogUrls": [],
    "tsaUrls": [],
    "rekorTlogConfig": {"selector": "ANY"},
    "tsaConfig": {"selector": "ANY"},
}
KEYS = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}
OFFLINE = ("--signing-config", "signing.json")
SLSA = "https://slsa.dev/provenance/v1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A file, a predicate, and keys that cosign imported."""
    folder = tmp_path_factory.mktemp("cosign")
    (folder / "file").write_bytes(b"released\n")
    (folder / "other").write_bytes(b"something else\n")
    (folder / "predicate").write_text('{"builder": "here"}')
    (folder / "signing.json").write_text(json.dumps(SIGNING_CONFIG))
    for name, key in KEYS.items():
        encoded = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / f"{name}.pem").write_bytes(encoded)
        cosign(folder, "import-key-pair", "--key", f"{name}.pem", "--output-key-prefix", name)
    return folder


def cosign(folder: Path, *words: str) -> None:
    # It wants to refresh the public-good root, and goes on without; it must not look for it beyond this machine.
    nowhere = {"TUF_MIRROR": "http://127.0.0.1:1", "TUF_ROOT": str(folder / "tuf"), "HOME": str(folder)}
    environment = {**os.environ, **nowhere, "COSIGN_PASSWORD": ""}
    done = subprocess.run(
        [tool("cosign"), *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def verified(folder: Path, bundle: str, key: str, subject: str = "file", *more: str) -> int:
    words = ("--bundle", str(folder / bundle), "--key", str(folder / f"{key}.pub"), str(folder / subject))
    return run(["verify-blob", *words, *more])


@pytest.mark.parametrize("name", list(KEYS))
def test_what_cosign_signs_verifies(folder, capsys, name):
    """A file's signature is right for that file and that key, and for no other."""
    common = ("--key", f"{name}.key", "--bundle", f"{name}.json", "--yes", *OFFLINE)
    cosign(folder, "sign-blob", *common, "file")
    assert verified(folder, f"{name}.json", name) == 0
    assert verified(folder, f"{name}.json", name, "other") == 3
    assert verified(folder, f"{name}.json", "rsa" if name != "rsa" else "p256") == 3
    assert capsys.readouterr().out.count("verified") == 1


@pytest.mark.parametrize("name", list(KEYS))
def test_what_cosign_attests_verifies(folder, capsys, name):
    """With its predicate. Of Ed25519 keys cosign 3.1 makes prehashed signatures here."""
    common = ("--key", f"{name}.key", "--bundle", f"{name}.att.json", "--yes", *OFFLINE)
    cosign(folder, "attest-blob", *common, "--predicate", "predicate", "--type", SLSA, "file")
    assert verified(folder, f"{name}.att.json", name, "file", "-o", "json", "--predicate-type", SLSA) == 0
    (signed,) = json.loads(capsys.readouterr().out)["signed"]
    assert (signed["predicateType"], signed["predicate"]) == (SLSA, {"builder": "here"})
    assert verified(folder, f"{name}.att.json", name, "other", "--predicate-type", SLSA) == 3
