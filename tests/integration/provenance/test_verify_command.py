"""``govgate verify`` on what cosign signed, in real registries."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.cosign import Cosign
from support.registries import FLUX_CONFIG, RealRegistry, copy_tag, push

from gateway.cli import exits
from gateway.cli.app import run

pytestmark = pytest.mark.servers
_names = count(1)
FILES = {"a.yaml": b"kind: Namespace\n", "b/c.yaml": b"kind: Service\n"}
PREDICATE = "https://example.com/review"

Verify = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be logged in somewhere."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Verify:
    """Exit code, standard output, standard error."""

    def call(*arguments: object, plain: bool = True) -> tuple[int, str, str]:
        code = run(["verify", *map(str, arguments), *(["--plain-http"] if plain else [])])
        return code, *capsys.readouterr()

    return call


def artifact(registry: RealRegistry, files: dict[str, bytes] | None = None) -> str:
    """Push an artifact into a repository of its own; its reference with the digest. Its tag is ``v1``."""
    repository = f"acme/app-{next(_names)}"
    files = files or {**FILES, "name": repository.encode()}
    digest = asyncio.run(push(registry.host, repository, "v1", files))
    return f"{registry.host}/{repository}@{digest}"


@pytest.fixture(params=["registry", "old_registry"])
def any_registry(request: pytest.FixtureRequest) -> RealRegistry:
    """With the referrers API and without."""
    found: RealRegistry = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("form", ["bundle", "legacy"])
def test_what_cosign_signed_is_verified(any_registry: RealRegistry, cosign: Cosign, verify: Verify, form: Any) -> None:
    """As a bundle and as before, by digest and by tag."""
    reference = artifact(any_registry)
    cosign.sign(reference, form)
    code, out, _ = verify(reference, "--key", cosign.key)
    assert code == exits.CLEAN
    assert out.splitlines()[0] == reference
    assert "signed by key sha256:" in out
    assert verify(reference.partition("@")[0] + ":v1", "--key", cosign.key)[0] == exits.CLEAN


def test_fewer_than_half_of_cosigns_requests(registry: RealRegistry, cosign: Cosign, verify: Verify) -> None:
    """Pinned by digest: the referrers, the signature's manifest, its layer."""
    reference = artifact(registry)
    cosign.sign(reference)
    before = len(registry.requests())
    assert verify(reference, "--key", cosign.key)[0] == exits.CLEAN
    ours = registry.requests()[before:]
    cosign.run("verify", "--key", "cosign.pub", "--insecure-ignore-tlog", "--allow-http-registry", reference)
    theirs = registry.requests()[before + len(ours) :]
    assert [line.split("/")[-2] for line in ours] == ["referrers", "manifests", "blobs"]
    assert len(ours) <= len(theirs) / 2


def test_the_unsigned_is_denied(any_registry: RealRegistry, cosign: Cosign, verify: Verify) -> None:
    """With what to do about it; in JSON the same."""
    reference = artifact(any_registry)
    code, out, err = verify(reference, "--key", cosign.key)
    assert code == exits.DENIED
    assert "no signature was found" in out
    assert "what to do: sign it" in out
    assert "1 denied" in err
    code, out, _ = verify(reference, "--key", cosign.key, "-o", "json")
    (finding,) = json.loads(out)["findings"]
    assert (code, finding["rule"], finding["action"]) == (exits.DENIED, "provenance/signature", "deny")


def test_another_key_is_not_accepted(registry: RealRegistry, cosign: Cosign, stranger: Cosign, verify: Verify) -> None:
    """And says so; of several keys any will do."""
    reference = artifact(registry)
    stranger.sign(reference)
    code, out, _ = verify(reference, "--key", cosign.key)
    assert code == exits.DENIED
    assert "not accepted" in out
    assert verify(reference, "--key", cosign.key, "--key", stranger.key)[0] == exits.CLEAN
    cosign.sign(reference)
    assert verify(reference, "--key", cosign.key)[0] == exits.CLEAN


def test_what_one_finds_first_hides_nothing(
    any_registry: RealRegistry, cosign: Cosign, stranger: Cosign, verify: Verify
) -> None:
    """A bundle by somebody else beside an older signature by the right key, and the other way round."""
    first, second = artifact(any_registry), artifact(any_registry)
    stranger.sign(first, "bundle")
    cosign.sign(first, "legacy")
    stranger.sign(second, "legacy")
    cosign.attest(second, PREDICATE, {}, "bundle")
    cosign.sign(second, "bundle")
    for reference in (first, second):
        assert verify(reference, "--key", cosign.key)[0] == exits.CLEAN


def test_a_tag_is_asked_for_once(registry: RealRegistry, cosign: Cosign, verify: Verify, tmp_path: Path) -> None:
    """Whoever moves it meanwhile moves nothing: signatures and content are those of the digest."""
    reference = artifact(registry)
    cosign.sign(reference)
    before = len(registry.requests())
    tagged = reference.partition("@")[0] + ":v1"
    assert verify(tagged, "--key", cosign.key, "--pull", tmp_path / "o")[0] == exits.CLEAN
    assert sum(line.endswith("/manifests/v1") for line in registry.requests()[before:]) == 1


@pytest.mark.parametrize("form", ["bundle", "legacy"])
def test_a_relocated_signature_is_denied(old_registry: RealRegistry, cosign: Cosign, verify: Verify, form: Any) -> None:
    """A good signature of another artifact, put where this one's would be."""
    repository = f"{old_registry.host}/acme/app-{next(_names)}"
    signed, other = (
        asyncio.run(push(old_registry.host, repository.partition("/")[2], tag, {"a": tag.encode()}))
        for tag in ("a", "b")
    )
    cosign.sign(f"{repository}@{signed}", form)
    suffix = "" if form == "bundle" else ".sig"
    tags = [digest.replace(":", "-") + suffix for digest in (signed, other)]
    asyncio.run(copy_tag(repository, *tags))
    code, out, _ = verify(f"{repository}@{other}", "--key", cosign.key)
    assert code == exits.DENIED
    assert "subject" in out


def test_an_attestation_is_no_signature(registry: RealRegistry, cosign: Cosign, verify: Verify) -> None:
    """By the right signer, but it says something else."""
    reference = artifact(registry)
    cosign.attest(reference, PREDICATE, {"approved": True})
    code, out, _ = verify(reference, "--key", cosign.key)
    assert code == exits.DENIED
    assert "there are attestations, but no signature" in out


def test_attestations_are_demanded(any_registry: RealRegistry, cosign: Cosign, verify: Verify) -> None:
    """A bundle and cosign's older format, judged together."""
    reference = artifact(any_registry)
    cosign.sign(reference)
    cosign.attest(reference, PREDICATE, {"approved": True}, "legacy")
    assert verify(reference, "--key", cosign.key, "--attestation", PREDICATE)[0] == exits.CLEAN
    code, out, _ = verify(reference, "--key", cosign.key, "--attestation", "https://example.com/other")
    assert code == exits.DENIED
    assert "attestation https://example.com/other" in out


def test_a_configured_policy_holds(registry: RealRegistry, cosign: Cosign, verify: Verify, tmp_path: Path) -> None:
    """Its Rego is asked about the predicate; its name is shown; without one that is about it, nothing is said."""
    reference = artifact(registry)
    cosign.sign(reference)
    cosign.attest(reference, PREDICATE, {"approved": 1})

    def config(rego: str, **more: Any) -> Path:
        policy = {
            "name": "acme",
            "repositories": [f"{registry.host}/acme/*"],
            "authorities": [{"name": "release", "keys": [{"id": "2026", "file": str(cosign.key)}]}],
            "attestations": [{"predicateType": PREDICATE, "rego": f"package p\n{rego}"}],
            **more,
        }
        registries = [{"hosts": [registry.host], "plainHttp": True}]
        file = tmp_path / "govgate.yaml"
        file.write_text(json.dumps({"provenance": {"policies": [policy], "registries": registries}}))
        return file

    good = config('allow if { input.predicate.approved == 1; input.authority == "release" }')
    code, out, _ = verify(reference, "--config", good, plain=False)
    assert code == exits.CLEAN
    assert "TrustPolicy acme" in out
    assert "key 2026" in out
    code, out, _ = verify(reference, "--config", config("allow if input.predicate.approved == 2"), plain=False)
    assert code == exits.DENIED
    assert "satisfies the policy's rule" in out
    warning = config("allow if false", mode="warn")
    code, _, err = verify(reference, "--config", warning, "--pull", tmp_path / "out", plain=False)
    assert code == exits.CLEAN
    assert "nothing was unpacked" in err
    assert not (tmp_path / "out").exists()
    assert verify(reference, "--config", warning, plain=False)[0] == exits.CLEAN
    assert verify(reference, "--config", warning, "--fail-on", "warn", plain=False)[0] == exits.WARNED
    code, _, err = verify(reference, "--config", config("allow if"), plain=False)
    assert code == exits.FAILED
    assert "attestations[0].rego" in err
    code, _, err = verify(f"{registry.host}/other/app:v1", "--config", good, plain=False)
    assert code == exits.FAILED
    assert "no trust policy is about" in err


def test_saved_evidence_does_not_tell_that_there_was_no_more(
    registry: RealRegistry, cosign: Cosign, verify: Verify, tmp_path: Path
) -> None:
    """Where all attestations must satisfy a rule, only the registry can tell that these are all: whatever the file says."""
    reference = artifact(registry)
    cosign.sign(reference)
    cosign.attest(reference, PREDICATE, {"approved": 1})
    policy = {
        "name": "acme",
        "repositories": [f"{registry.host}/acme/*"],
        "authorities": [{"name": "release", "keys": [{"file": str(cosign.key)}]}],
        "attestations": [
            {"predicateType": PREDICATE, "rego": "package p\nallow if input.predicate.approved == 1", "match": "all"}
        ],
    }
    registries = [{"hosts": [registry.host], "plainHttp": True}]
    file = tmp_path / "govgate.yaml"
    file.write_text(json.dumps({"provenance": {"policies": [policy], "registries": registries}}))
    code, out, _ = verify(reference, "--config", file, "-o", "json", plain=False)
    assert code == exits.CLEAN
    assert json.loads(out)["collected"]["complete"] is True
    saved = tmp_path / "evidence.json"
    saved.write_text(out)
    code, out, _ = verify(reference, "--config", file, "--evidence", saved, plain=False)
    assert code == exits.DENIED
    assert "undecided: there may be more attestations" in out


def test_saved_evidence_is_judged_offline(
    registry: RealRegistry, cosign: Cosign, stranger: Cosign, verify: Verify, tmp_path: Path
) -> None:
    """From its bytes: what somebody wrote into the conclusions counts for nothing."""
    reference = artifact(registry)
    cosign.sign(reference)
    saved = tmp_path / "evidence.json"
    saved.write_text(verify(reference, "--key", cosign.key, "-o", "json")[1])
    before = len(registry.requests())
    assert verify(reference, "--evidence", saved, "--key", cosign.key)[0] == exits.CLEAN
    assert verify(reference, "--evidence", saved, "--key", stranger.key)[0] == exits.DENIED
    document = json.loads(saved.read_text())
    payload = json.loads(base64.b64decode(document["collected"]["candidates"][0]["payload"]))
    payload["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(b"0" * 70).decode()
    document["collected"]["candidates"][0]["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    saved.write_text(json.dumps(document))
    assert verify(reference, "--evidence", saved, "--key", cosign.key)[0] == exits.DENIED
    other = reference[:-4] + ("0000" if not reference.endswith("0000") else "1111")
    assert verify(other, "--evidence", saved, "--key", cosign.key)[0] == exits.USAGE
    saved.write_text("[]")
    assert verify(reference, "--evidence", saved, "--key", cosign.key)[0] == exits.FAILED
    assert len(registry.requests()) == before


def test_saved_evidence_can_not_lie_about_the_type(
    registry: RealRegistry, cosign: Cosign, verify: Verify, tmp_path: Path
) -> None:
    """It is what the artifact's manifest says, whose digest is the artifact's."""
    reference = artifact(registry)
    cosign.sign(reference)

    def config(*types: str) -> Path:
        authority = {"name": "release", "keys": [{"file": str(cosign.key)}]}
        policy = {"name": "p", "repositories": ["**"], "authorities": [authority], "artifactTypes": types}
        file = tmp_path / "govgate.yaml"
        registries = [{"hosts": [registry.host], "plainHttp": True}]
        file.write_text(json.dumps({"provenance": {"policies": [policy], "registries": registries}}))
        return file

    saved = tmp_path / "evidence.json"
    code, out, _ = verify(reference, "--config", config(FLUX_CONFIG), "-o", "json", plain=False)
    assert code == exits.CLEAN
    document = json.loads(out)
    document["collected"]["artifact"]["artifactType"] = "application/helm"
    saved.write_text(json.dumps(document))
    for types, expected in ((FLUX_CONFIG, exits.CLEAN), ("application/helm", exits.DENIED)):
        found = verify(reference, "--evidence", saved, "--config", config(types), plain=False)
        assert found[0] == expected
    document["collected"]["manifest"] = base64.b64encode(b"{}").decode()
    saved.write_text(json.dumps(document))
    assert verify(reference, "--evidence", saved, "--config", config(FLUX_CONFIG), plain=False)[0] == exits.FAILED


def test_only_what_was_verified_is_unpacked(
    registry: RealRegistry, cosign: Cosign, verify: Verify, tmp_path: Path
) -> None:
    """Into a folder that is new or empty, and not at all if the artifact is denied."""
    reference = artifact(registry)
    into = tmp_path / "out"
    assert verify(reference, "--key", cosign.key, "--pull", into)[0] == exits.DENIED
    assert not into.exists()
    cosign.sign(reference)
    into.mkdir()
    assert verify(reference, "--key", cosign.key, "--pull", into)[0] == exits.CLEAN
    assert (into / "b/c.yaml").read_bytes() == FILES["b/c.yaml"]
    code, _, err = verify(reference, "--key", cosign.key, "--pull", into)
    assert code == exits.FAILED
    assert "not an empty folder" in err
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("output", ["yaml", "sarif", "junit", "github", "gitlab", "markdown"])
def test_every_format_shows_the_finding(registry: RealRegistry, cosign: Cosign, verify: Verify, output: str) -> None:
    """The reports that check has."""
    code, out, _ = verify(artifact(registry), "--key", cosign.key, "-o", output)
    assert code == exits.DENIED
    assert "provenance/signature" in out.replace("\\", "")


def test_a_registry_that_is_not_there_is_a_failed_run(verify: Verify, cosign: Cosign) -> None:
    """Exit code 1, one line, and never "unsigned"."""
    code, out, err = verify("127.0.0.1:1/acme/app:v1", "--key", cosign.key)
    assert (code, out) == (exits.FAILED, "")
    assert err.startswith("govgate: ")
    assert "cannot reach 127.0.0.1" in err
    assert "unsigned" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--identity", "a@b.example"],
        ["--issuer", "https://x.example"],
        ["--key", "KEY", "--identity", "a@b.example", "--issuer", "https://x.example"],
        ["--require-log"],
        ["--key", "KEY", "--username", "robot"],
        ["--key", "KEY", "--username", "robot", "--token-file", "KEY"],
        ["--key", "KEY", "--ca-file", "KEY"],
        ["--key", "KEY", "--evidence", "KEY", "--pull", "x"],
    ],
)
def test_options_that_contradict_each_other_are_refused(verify: Verify, cosign: Cosign, arguments: list[str]) -> None:
    """Before anything is asked."""
    given = [str(cosign.key) if argument == "KEY" else argument for argument in arguments]
    assert verify("127.0.0.1:1/acme/app:v1", *given)[0] == exits.USAGE


@pytest.mark.parametrize("text", ["", "garbage", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_key_that_is_none_is_one_clear_line(verify: Verify, tmp_path: Path, text: str) -> None:
    """No library's exception, and nothing is asked of the registry."""
    key = tmp_path / "key.pub"
    key.write_text(text)
    code, _, err = verify("127.0.0.1:1/acme/app:v1", "--key", key)
    assert code == exits.FAILED
    assert "internal error" not in err


def test_a_password_comes_from_standard_input(
    registry: RealRegistry, cosign: Cosign, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line; nothing of it is shown."""
    reference = artifact(registry)
    cosign.sign(reference)
    stream = io.TextIOWrapper(io.BytesIO(b"open-sesame\n"))
    monkeypatch.setattr("sys.stdin", stream)
    code, out, err = verify(reference, "--key", cosign.key, "--username", "robot", "--password-stdin")
    assert code == exits.CLEAN
    assert "sesame" not in out + err
