"""``govgate verify-blob``: one bundle, one file, no network."""

from __future__ import annotations

import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support.signing import p256, pem
from support.sigstack import ISSUER, NOW, SUBJECT, Stack, statement

from gateway.cli.app import run

CONTENT = b"what is released\n"
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
STACK = Stack()
KEY = p256()
LEAF_KEY = p256()
SLSA = "https://slsa.dev/provenance/v1"


@pytest.fixture
def folder(tmp_path):
    """A file, its bundles, a key, a trusted root; file names as the options."""
    leaf = STACK.leaf(LEAF_KEY)
    files = {
        "file": CONTENT,
        "other": b"something else",
        "key": pem(KEY).encode(),
        "root": STACK.root(),
        "keyed": json.dumps(STACK.message(CONTENT, KEY)).encode(),
        "keyless": json.dumps(STACK.message(CONTENT, LEAF_KEY, certificate=leaf)).encode(),
        "bare": json.dumps(STACK.message(CONTENT, KEY, logged=False)).encode(),
        "stamped": json.dumps(STACK.message(CONTENT, LEAF_KEY, certificate=leaf, logged=False, stamped=True)).encode(),
        "statement": json.dumps(STACK.envelope(statement(DIGEST), KEY)).encode(),
        "attestation": json.dumps(STACK.envelope(statement(DIGEST, SLSA, {"a": 1}), KEY)).encode(),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def call(folder, *words):
    """Run the command; words that begin with ``@`` are files of the folder."""
    return run(["verify-blob", *(str(folder / word[1:]) if word.startswith("@") else word for word in words)])


def test_a_file_signed_by_a_key(folder, capsys):
    """Prints who signed, when and in which log; by the file or by its digest."""
    for subject in ("@file", DIGEST):
        assert call(folder, "--bundle", "@keyed", "--key", "@key", "--trusted-root", "@root", subject) == 0
        shown = capsys.readouterr().out
        assert "verified: signed by key sha256:" in shown
        assert f"at {NOW.isoformat()}" in shown
        assert "in the log https://rekor.test as " in shown


def test_a_file_signed_by_an_identity(folder, capsys):
    """Exactly, or by a pattern; always with the issuer."""
    common = ("--bundle", "@keyless", "--trusted-root", "@root", "--issuer", ISSUER)
    assert call(folder, *common, "--identity", SUBJECT, "@file") == 0
    assert SUBJECT in capsys.readouterr().out
    assert call(folder, *common, "--identity-regexp", r"https://github\.com/acme/.+", "@file") == 0
    assert call(folder, *common, "--identity", "somebody@else.test", "@file") == 3
    assert "identity" in capsys.readouterr().out


def test_what_is_denied_says_at_which_step_and_what_to_do(folder, capsys):
    """Exit code 3, on standard output; a broken bundle is denied, not an error."""
    (folder / "broken").write_bytes(b"{")
    (folder / "huge").write_bytes(b" " * 2_000_000)
    for bundle, subject, step in (
        ("@keyed", "@other", "subject"),
        ("@keyless", "@file", "identity"),
        ("@broken", "@file", "format"),
    ):
        assert call(folder, "--bundle", bundle, "--key", "@key", "--trusted-root", "@root", subject) == 3
        shown = capsys.readouterr()
        assert f"not accepted: sigstore-bundle: {step}: " in shown.out
        assert "what to do: " in shown.out
        assert not shown.err


def test_the_evidence_is_json(folder, capsys):
    """With -o json: what was verified and what was not, to be judged again."""
    words = ("--bundle", "@attestation", "--key", "@key", "--trusted-root", "@root", "@file", "-o", "json")
    assert call(folder, *words, "--predicate-type", SLSA) == 0
    evidence = json.loads(capsys.readouterr().out)
    assert evidence["artifact"]["digest"] == DIGEST
    (signed,) = evidence["signed"]
    assert (signed["predicateType"], signed["predicate"]) == (SLSA, {"a": 1})
    assert evidence["rejected"] == []


def test_an_attestation_is_no_signature(folder, capsys):
    """Whatever the right signer says about a file: without its type it is denied, and said to be what it is."""
    common = ("--key", "@key", "--trusted-root", "@root", "@file")
    assert call(folder, "--bundle", "@attestation", *common) == 3
    shown = capsys.readouterr().out
    assert "verified" not in shown
    assert f"an attestation of {SLSA}" in shown
    assert f"--predicate-type {SLSA}" in shown
    assert call(folder, "--bundle", "@attestation", *common, "-o", "json") == 3
    assert not json.loads(capsys.readouterr().out)["signed"]
    assert call(folder, "--bundle", "@statement", *common) == 0, "cosign's statement that says: I sign this"


def test_an_attestation_can_be_demanded(folder, capsys):
    """--predicate-type accepts that and nothing else."""
    common = ("--key", "@key", "--trusted-root", "@root", "@file")
    assert call(folder, "--bundle", "@attestation", *common, "--predicate-type", SLSA) == 0
    assert f"verified: attested {SLSA} by key" in capsys.readouterr().out
    assert call(folder, "--bundle", "@attestation", *common, "--predicate-type", "https://other.test") == 3
    assert call(folder, "--bundle", "@keyed", *common, "--predicate-type", SLSA) == 3
    assert "payload-type" in capsys.readouterr().out


def test_levels_are_asked_for_by_name(folder):
    """A log of keys; a time stamp alone, or nothing, of identities."""
    assert call(folder, "--bundle", "@bare", "--key", "@key", "@file") == 0
    assert call(folder, "--bundle", "@bare", "--key", "@key", "--require-log", "@file") == 3
    common = ("--bundle", "@stamped", "--trusted-root", "@root", "--issuer", ISSUER, "--identity", SUBJECT, "@file")
    assert call(folder, *common) == 3
    assert call(folder, *common, "--allow-tsa-only") == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--bundle", "@keyed", "@file"], 64, "name who must have signed"),
        (["--bundle", "@keyed", "--key", "@key", "--identity", "a", "--issuer", "b", "@file"], 64, "name who must"),
        (["--bundle", "@keyed", "--identity", "a", "@file"], 64, "--issuer goes with"),
        (["--bundle", "@keyed", "--key", "@key", "--issuer", "b", "@file"], 64, "--issuer goes with"),
        (["--bundle", "@missing", "--key", "@key", "@file"], 1, "missing"),
        (["--bundle", "@keyed", "--key", "@key", "@missing"], 1, "missing"),
        (["--bundle", "@keyed", "--key", "@file", "@file"], 1, "not a public key"),
        (["--bundle", "@keyed", "--key", "@key", "--trusted-root", "@file", "@file"], 1, "trusted root"),
        (["--bundle", "@keyed", "--key", "@huge", "@file"], 1, "more than"),
    ],
)
def test_what_cannot_be_judged_is_an_error(folder, capsys, words, code, said):
    """One line on standard error, and another exit code than a denial."""
    (folder / "huge").write_bytes(b" " * 100_000)
    assert call(folder, *words) == code
    shown = capsys.readouterr()
    assert said in shown.err
    assert len(shown.err.splitlines()) == 1
    assert not shown.out


def test_the_hash_of_a_key_can_be_told(folder):
    """For signers that hash by SHA-256 whatever the curve."""
    key = ec.generate_private_key(ec.SECP384R1())
    (folder / "key").write_text(pem(key))
    (folder / "bundle").write_text(json.dumps(STACK.message(CONTENT, key, logged=False)))
    assert call(folder, "--bundle", "@bundle", "--key", "@key", "@file") == 3
    assert call(folder, "--bundle", "@bundle", "--key", "@key", "--key-hash", "sha256", "@file") == 0


def test_a_digest_is_a_digest_whatever_files_there_are(folder, monkeypatch, capsys):
    """One of that name does not stand in for the artifact that is meant; it is judged if it is named as a file."""
    monkeypatch.chdir(folder)
    common = ("--bundle", "@keyed", "--key", "@key", "--trusted-root", "@root")
    another = f"sha256:{hashlib.sha256(b'another').hexdigest()}"
    (folder / another).write_bytes(CONTENT)
    (folder / DIGEST).write_bytes(b"something else")
    assert call(folder, *common, another) == 3
    assert call(folder, *common, DIGEST) == 0
    assert call(folder, *common, f"./{another}") == 0
    assert call(folder, *common, f"./{DIGEST}") == 3
    capsys.readouterr()
    (folder / DIGEST.upper().replace("SHA", "sha")).write_bytes(CONTENT)
    assert call(folder, *common, DIGEST.upper().replace("SHA", "sha")) == 64
    assert "./sha256:" in capsys.readouterr().err


def test_large_files_are_judged_by_their_digest(folder, monkeypatch, capsys):
    """Beyond what is held in memory."""
    monkeypatch.setattr("gateway.cli.verify_blob._IN_MEMORY", 4)
    assert call(folder, "--bundle", "@keyed", "--key", "@key", "--trusted-root", "@root", "@file") == 0
    assert call(folder, "--bundle", "@keyed", "--key", "@key", "--trusted-root", "@root", "@other") == 3
    assert capsys.readouterr().out
