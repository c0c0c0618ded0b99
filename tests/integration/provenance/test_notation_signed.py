"""What Notation's own library signed in real registries: verified by the command and at admission, as it verifies it."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.registries import RealRegistry, push
from support.signing import NotationSigner
from support.tools import tool
from support.tsa import TimestampAuthority, served

from gateway.cli import exits
from gateway.cli.app import run
from gateway.config.load import parse_config
from gateway.core.verdict import Verdict
from webhooks.assembly import assemble
from webhooks.review import decode_review

pytestmark = pytest.mark.servers
_names = count(1)
Json = dict[str, Any]
AUTHORITY = "notary.x509.signingAuthority"
PEM = Encoding.PEM


class Notation:
    """One signer's key and chain, and Notation's trust store with its root, in a folder."""

    def __init__(self, folder: Path, key: Any = None) -> None:
        signer = NotationSigner(key, now=datetime.now(UTC))
        self.folder, self.anchors = folder, folder / "truststore/x509/ca/test/root.pem"
        private = signer.key.private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "key.pem").write_bytes(private)
        (folder / "chain.pem").write_bytes(b"".join(one.public_bytes(PEM) for one in signer.chain))
        for kind in ("ca", "signingAuthority"):
            self.trust(kind, signer.anchors)

    def trust(self, kind: str, anchors: str) -> Path:
        """Put a root into the store; its file."""
        file = self.folder / "truststore/x509" / kind / "test/root.pem"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(anchors)
        return file

    def sign(self, reference: str, *options: str) -> None:
        keys = ("-key", str(self.folder / "key.pem"), "-chain", str(self.folder / "chain.pem"))
        done = self._run("sign", *keys, *options, reference)
        assert done.returncode == 0, done.stderr

    def verifies(self, reference: str, types: str = "ca") -> bool:
        """Whether Notation accepts it by this store."""
        return self._run("verify", "-store", str(self.folder), "-types", types, reference).returncode == 0

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([tool("notation"), *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def notation(tmp_path_factory: pytest.TempPathFactory) -> Notation:
    """The signer who is trusted."""
    return Notation(tmp_path_factory.mktemp("notation"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Notation:
    """Somebody else, with an RSA key."""
    return Notation(tmp_path_factory.mktemp("other"), rsa.generate_private_key(65537, 3072))


@pytest.fixture(scope="module")
def tsa(notation: Notation) -> Iterator[tuple[str, Path]]:
    """A time-stamp authority's URL and its root."""
    authority = TimestampAuthority()
    with served(authority) as url:
        yield url, notation.trust("tsa", authority.anchors)


@pytest.fixture(params=["registry", "old_registry"])
def any_registry(request: pytest.FixtureRequest) -> RealRegistry:
    """With the referrers API and without."""
    found: RealRegistry = request.getfixturevalue(request.param)
    return found


def artifact(registry: RealRegistry) -> str:
    repository = f"acme/notation-{next(_names)}"
    digest = asyncio.run(push(registry.host, repository, "v1", {"name": repository.encode()}))
    return f"{registry.host}/{repository}@{digest}"


def document(registry: RealRegistry, **anchors: Any) -> Json:
    authority = {"name": "release", "notation": anchors}
    policy = {"name": "acme", "repositories": [f"{registry.host}/acme/*"], "authorities": [authority]}
    registries = [{"hosts": [registry.host], "plainHttp": True}]
    return {
        "cluster": {"connect": "none"},
        "policy": {"sources": []},
        "provenance": {"policies": [policy], "registries": registries},
    }


Verify = Callable[..., tuple[int, Json]]


@pytest.fixture
def verify(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Verify:
    """``govgate verify`` by a configuration: its exit code, and what it says."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))

    def call(reference: str, settings: Json) -> tuple[int, Json]:
        file = tmp_path / "govgate.yaml"
        file.write_text(json.dumps(settings))
        code = run(["verify", reference, "--config", str(file), "-o", "json"])
        return code, json.loads(capsys.readouterr().out)

    return call


def signed(found: Json) -> Json:
    """The one statement that was verified."""
    (one,) = found["judgements"][0]["evidence"]["signed"]
    return dict(one)


@pytest.mark.parametrize("form", ["jws", "cose"])
def test_what_notation_signed_is_verified(
    any_registry: RealRegistry, notation: Notation, other: Notation, verify: Verify, form: str
) -> None:
    """In both envelopes, by kinds of keys, from both kinds of registries; and by nobody else's anchors."""
    for signer, stranger in ((notation, other), (other, notation)):
        reference = artifact(any_registry)
        settings = document(any_registry, file=str(signer.anchors))
        assert verify(reference, settings)[0] == exits.DENIED, "nothing is signed yet"
        stranger.sign(reference, "-format", form)
        assert verify(reference, settings)[0] == exits.DENIED
        assert not signer.verifies(reference)
        signer.sign(reference, "-format", form)
        code, found = verify(reference, settings)
        assert (code, signed(found)["format"]) == (exits.CLEAN, f"notation-{form}")
        assert signed(found)["annotations"] == {"build": "7"}
        assert signer.verifies(reference)


@pytest.mark.parametrize("form", ["jws", "cose"])
def test_what_notation_had_stamped_proves_when(
    registry: RealRegistry, notation: Notation, tsa: tuple[str, Path], verify: Verify, form: str
) -> None:
    """By a time-stamp authority that is trusted; where it is not, the stamp counts for nothing, or is missing."""
    url, root = tsa
    reference, began = artifact(registry), datetime.now(UTC).replace(microsecond=0)
    notation.sign(reference, "-format", form, "-tsa", url, "-tsa-root", str(root), "-expiry", "1h")
    settings = document(registry, file=str(notation.anchors), tsa={"file": str(root)}, requireTimestamp=True)
    code, found = verify(reference, settings)
    assert (code, signed(found)["level"]) == (exits.CLEAN, "tsa")
    assert datetime.fromisoformat(signed(found)["time"]) >= began
    assert notation.verifies(reference, "ca,tsa")
    assert signed(verify(reference, document(registry, file=str(notation.anchors)))[1])["level"] == "none"
    unstamped = artifact(registry)
    notation.sign(unstamped, "-format", form)
    assert verify(unstamped, settings)[0] == exits.DENIED
    assert not notation.verifies(unstamped, "ca,tsa")


def test_a_root_may_be_named_on_the_command_line(
    registry: RealRegistry,
    notation: Notation,
    other: Notation,
    tsa: tuple[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With who stamps times; without any configuration."""
    reference, (url, root) = artifact(registry), tsa
    notation.sign(reference, "-tsa", url, "-tsa-root", str(root))

    def call(*options: object) -> tuple[int, str]:
        code = run(["verify", reference, "--plain-http", *map(str, options)])
        return code, "".join(capsys.readouterr())

    code, said = call("--notation-ca", notation.anchors, "--notation-tsa", root)
    assert (code, "signed by C=DE,O=Acme,CN=signer" in said) == (exits.CLEAN, True), said
    assert call("--notation-ca", notation.anchors)[0] == exits.CLEAN
    assert call("--notation-ca", other.anchors)[0] == exits.DENIED
    assert call("--notation-ca", notation.anchors, "--require-log")[0] == exits.DENIED
    assert call("--notation-ca", notation.folder / "missing")[0] == exits.FAILED
    for wrong in (("--notation-tsa", root), ("--notation-ca", notation.anchors, "--key", "k.pub")):
        assert call(*wrong)[0] == exits.USAGE


@pytest.mark.parametrize("form", ["jws", "cose"])
def test_what_a_signing_authority_signed_is_under_its_own_anchors(
    registry: RealRegistry, notation: Notation, verify: Verify, form: str
) -> None:
    """Those of signers do not count for it, nor the other way round."""
    reference, plain = artifact(registry), artifact(registry)
    notation.sign(reference, "-format", form, "-scheme", AUTHORITY, "-expiry", "1h")
    notation.sign(plain, "-format", form)
    root = {"file": str(notation.anchors)}
    for name, settings, types in (
        (AUTHORITY, document(registry, signingAuthority=root), "signingAuthority"),
        ("notary.x509", document(registry, **root), "ca"),
    ):
        for one, scheme in ((reference, AUTHORITY), (plain, "notary.x509")):
            expected = exits.CLEAN if scheme == name else exits.DENIED
            assert verify(one, settings)[0] == expected
            assert notation.verifies(one, types) == (expected == exits.CLEAN)


def test_admission_judges_what_notation_signed(registry: RealRegistry, notation: Notation, other: Notation) -> None:
    """A source is admitted if it is signed under the anchors, and else denied with what to do."""
    good, strange, unsigned = (artifact(registry) for _ in range(3))
    notation.sign(good, "-format", "cose")
    other.sign(strange, "-format", "cose")

    async def judged(*references: str) -> list[Verdict]:
        settings = json.dumps(document(registry, file=str(notation.anchors))).encode()
        assembly = await assemble(parse_config(settings, source="test"))
        try:
            return [await assembly.judge.judge(decode_review(review(one)), deadline_seconds=60.0) for one in references]
        finally:
            await assembly.close()

    accepted, *denied = asyncio.run(judged(good, strange, unsigned))
    assert accepted.allowed, accepted.findings
    for verdict, words in zip(denied, ("is a trust anchor", "no signature was found"), strict=True):
        assert not verdict.allowed
        assert any(words in found.message for found in verdict.findings), [found.message for found in verdict.findings]


def review(reference: str) -> bytes:
    """A request to create an OCIRepository that verifies by Notation itself."""
    name, _, digest = reference.partition("@")
    group = "source.toolkit.fluxcd.io"
    verifies = {"provider": "notation", "secretRef": {"name": "notation"}}
    made = {
        "apiVersion": f"{group}/v1",
        "kind": "OCIRepository",
        "metadata": {"name": "x", "namespace": "web"},
        "spec": {"url": f"oci://{name}", "ref": {"digest": digest}, "verify": verifies},
    }
    request = {
        "uid": "u",
        "operation": "CREATE",
        "kind": {"group": group, "version": "v1", "kind": "OCIRepository"},
        "resource": {"group": group, "version": "v1", "resource": "ocirepositories"},
        "namespace": "web",
        "name": "x",
        "userInfo": {"username": "alice"},
        "object": made,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()
