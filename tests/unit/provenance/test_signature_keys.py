"""Signatures by key: every kind of key, and when it was good."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from nacl import bindings
from support.signing import accepted, by_key, legacy, legacy_logged, p256, pem, refused, simple_signing, verify
from support.sigstack import NOW, Stack

from gateway.core.errors import ConfigError
from gateway.provenance.evidence import Key, Levels
from gateway.provenance.signatures.authorities import trusted
from gateway.provenance.signatures.keys import PublicKey
from gateway.provenance.signatures.root import read_root

STACK = Stack()
PAYLOAD = simple_signing(team="web")
RSA = rsa.generate_private_key(65537, 2048)
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("curve", "algorithm"),
    [(ec.SECP256R1(), hashes.SHA256()), (ec.SECP384R1(), hashes.SHA384()), (ec.SECP521R1(), hashes.SHA512())],
    ids=["P-256", "P-384", "P-521"],
)
def test_each_curve_signs_by_its_own_hash(curve, algorithm):
    """P-256 goes with SHA-256, P-384 with SHA-384, P-521 with SHA-512, unless the key's settings say otherwise."""
    key = ec.generate_private_key(curve)
    signed = accepted(verify(legacy(PAYLOAD, key.sign(PAYLOAD, ec.ECDSA(algorithm))), by_key(key)))
    assert signed.signer.key.startswith("sha256:")
    assert signed.annotations == {"team": "web"}
    assert signed.is_signature


def prehashed(key: ed25519.Ed25519PrivateKey, message: bytes) -> bytes:
    """A signature by Ed25519ph, made by libsodium."""
    _, secret = bindings.crypto_sign_seed_keypair(key.private_bytes_raw())
    state = bindings.crypto_sign_ed25519ph_state()
    bindings.crypto_sign_ed25519ph_update(state, message)
    return bindings.crypto_sign_ed25519ph_final_create(state, secret)


def test_ed25519_signs_messages_and_their_digests():
    """Both forms of RFC 8032 are the key's; over this message, whole, and no other's."""
    key, other = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    for signature in (key.sign(PAYLOAD), prehashed(key, PAYLOAD)):
        accepted(verify(legacy(PAYLOAD, signature), by_key(key)))
        accepted(verify(legacy(PAYLOAD, signature), by_key(other, key, p256())))
        for wrong in (signature[:-1], signature + b"\x00", signature[:-1] + bytes([signature[-1] ^ 1])):
            assert refused(verify(legacy(PAYLOAD, wrong), by_key(key))).step == "signature"
        assert refused(verify(legacy(PAYLOAD, signature), by_key(other))).step == "signature"
    for message in (PAYLOAD + b" ", hashlib.sha512(PAYLOAD).digest()):
        assert refused(verify(legacy(PAYLOAD, prehashed(key, message)), by_key(key))).step == "signature"
    assert refused(verify(legacy(PAYLOAD, key.sign(hashlib.sha512(PAYLOAD).digest())), by_key(key))).step == "signature"


def test_the_vector_of_the_rfc():
    """Section 7.3, TEST abc."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42")
    )
    signature = bytes.fromhex(
        "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
        "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
    )
    assert PublicKey(key.public_key()).signed(signature, b"abc")
    assert not PublicKey(key.public_key()).signed(signature, b"abd")
    assert not PublicKey(key.public_key()).verifies(signature, b"abc"), "a log signs by the other form"


def test_the_hash_of_a_key_can_be_set():
    """A P-384 key whose signer hashes by SHA-256 verifies when the settings say so, and only then."""
    key = ec.generate_private_key(ec.SECP384R1())
    candidate = legacy(PAYLOAD, key.sign(PAYLOAD, ec.ECDSA(hashes.SHA256())))
    assert refused(verify(candidate, by_key(key))).step == "signature"
    accepted(verify(candidate, by_key(Key(pem(key), hash="sha256"))))


def test_ed25519_and_rsa_sign_too():
    """Ed25519; RSA with PKCS #1 v1.5 unless the settings ask for PSS."""
    key = ed25519.Ed25519PrivateKey.generate()
    accepted(verify(legacy(PAYLOAD, key.sign(PAYLOAD)), by_key(key)))
    by_15 = legacy(PAYLOAD, RSA.sign(PAYLOAD, padding.PKCS1v15(), hashes.SHA256()))
    by_pss = legacy(PAYLOAD, RSA.sign(PAYLOAD, PSS, hashes.SHA256()))
    pss = by_key(Key(pem(RSA), padding="pss"))
    accepted(verify(by_15, by_key(RSA)))
    accepted(verify(by_pss, pss))
    assert refused(verify(by_pss, by_key(RSA))).step == "signature"
    assert refused(verify(by_15, pss)).step == "signature"


def test_any_of_several_keys_may_have_signed():
    """The evidence names the key that did."""
    first, second = p256(), p256()
    authority = by_key(Key(pem(first), id="old"), Key(pem(second), id="new"))
    assert (
        accepted(verify(legacy(PAYLOAD, second.sign(PAYLOAD, ec.ECDSA(hashes.SHA256()))), authority)).signer.key
        == "new"
    )


def _logged(key, at=NOW):
    signature = key.sign(PAYLOAD, ec.ECDSA(hashes.SHA256()))
    return legacy(PAYLOAD, signature, bundle=legacy_logged(STACK, PAYLOAD, signature, key, at))


@pytest.mark.parametrize("setting", ["not_before", "not_after", "revoked_at"])
def test_a_keys_times_are_compared_with_the_proven_time(setting):
    """A signature that a log proves to be of a good time counts, whatever the key has become since."""
    key, later = p256(), NOW + 30 * DAY
    good = {"not_before": NOW - DAY, "not_after": NOW + DAY, "revoked_at": NOW + DAY}[setting]
    bad = {"not_before": NOW + DAY, "not_after": NOW - DAY, "revoked_at": NOW - DAY}[setting]
    signed = accepted(verify(_logged(key), by_key(Key(pem(key), **{setting: good}), root=STACK.root()), now=later))
    assert signed.time == NOW
    rejected = refused(verify(_logged(key), by_key(Key(pem(key), **{setting: bad}), root=STACK.root()), now=later))
    assert rejected.step == "key-validity"
    assert f"the signature was made by {NOW.isoformat()}, and the key" in rejected.reason


def test_without_a_proven_time_a_key_must_be_good_now():
    """Nothing says when the signature was made: an expired or revoked key may have made it a minute ago."""
    key = p256()
    candidate = legacy(PAYLOAD, key.sign(PAYLOAD, ec.ECDSA(hashes.SHA256())))

    def outcome(**settings):
        evidence = verify(candidate, by_key(Key(pem(key), **settings)))
        return "accepted" if evidence.signed else refused(evidence).step

    assert outcome(not_after=NOW + DAY) == "accepted"
    assert outcome(not_before=NOW - DAY) == "accepted"
    assert outcome(not_after=NOW - DAY) == "key-validity"
    assert outcome(not_before=NOW + DAY) == "key-validity"
    assert outcome(revoked_at=NOW - DAY) == "key-validity"
    assert outcome(revoked_at=NOW + DAY) == "key-validity", (
        "to be revoked tomorrow is revoked, as long as nothing is proven"
    )


def test_a_log_entry_is_required_of_keys_only_if_asked():
    """``require_log`` refuses a signature without one; one that is there is verified anyway."""
    key = p256()
    bare = legacy(PAYLOAD, key.sign(PAYLOAD, ec.ECDSA(hashes.SHA256())))
    strict = by_key(key, root=STACK.root(), levels=Levels(require_log=True))
    assert refused(verify(bare, strict)).step == "level"
    assert accepted(verify(_logged(key), strict)).level == "log"
    assert accepted(verify(bare, by_key(key))).level == "none"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a public key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "not a public key"),
        ("x" * 100_000, "more than"),
        (
            p256()
            .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            .decode(),
            "private key",
        ),
        (pem(ec.generate_private_key(ec.SECP256K1())), "curve secp256k1"),
        (pem(ed448.Ed448PrivateKey.generate()), "only ECDSA, Ed25519 and RSA"),
        (pem(rsa.generate_private_key(65537, 1024)), "RSA keys have"),  # noqa: S505 - what is refused
    ],
    ids=["empty", "damaged", "huge", "private", "another curve", "another kind", "short"],
)
def test_a_key_that_cannot_be_used_is_an_error_of_the_configuration(text, said):
    """It is not a refusal of the candidate: nothing was judged. The text never holds the key."""
    with pytest.raises(ConfigError, match=said) as raised:
        verify(legacy(PAYLOAD, b"x"), by_key(Key(text)))
    assert "BEGIN" not in str(raised.value).replace("-----BEGIN PUBLIC KEY-----)", "")
    assert "keys: key: " in str(raised.value)
    with pytest.raises(ConfigError, match=f"keys: key 2026: .*{said}"):
        verify(legacy(PAYLOAD, b"x"), by_key(Key(text, id="2026")))


def test_settings_that_contradict_the_key_are_errors():
    """A hash for Ed25519, which takes none; a time without a zone; an authority that trusts nobody."""
    key = ed25519.Ed25519PrivateKey.generate()
    for authority, said in (
        (by_key(Key(pem(key), hash="sha256")), "takes no hash"),
        (by_key(Key(pem(key), not_after=NOW.replace(tzinfo=None))), "no time zone"),
        (by_key(), "trusts nobody"),
    ):
        with pytest.raises(ConfigError, match=said):
            verify(legacy(PAYLOAD, b"x"), authority)


def test_an_authority_of_keys_reads_no_root():
    """Not even the one that comes with the sigstore package: only log entries and time stamps need it."""
    read_root.cache_clear()
    trusted.cache_clear()
    trusted(by_key(p256()))
    assert read_root.cache_info().currsize == 0
    trusted(by_key(p256(), root=STACK.root()))
    assert read_root.cache_info().currsize == 1
