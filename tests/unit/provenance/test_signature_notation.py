"""Notation's envelopes, to the letter of the specification."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from support.signing import (
    DIGEST,
    OTHER,
    NotationSigner,
    accepted,
    by_key,
    jws_candidate,
    jws_sign,
    notation_certificate,
    p256,
    refused,
    verify,
)
from support.sigstack import NOW, b64

from gateway.core.errors import ConfigError
from gateway.provenance.evidence import Authority, Levels
from gateway.provenance.signatures.notation_algorithms import algorithm_of, made_by_key
from gateway.provenance.signatures.refusal import RefusedError
from gateway.provenance.signatures.x509chain import ordered_chain

SIGNER = NotationSigner()
TRUSTED = SIGNER.authority()
PREFIX = "io.cncf.notary."
SCHEME = f"{PREFIX}signingScheme"
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")


def test_a_signature_names_its_signer_and_anchor():
    """By distinguished names; what the signer adds is evidence. No time is proven: the signing time is the signer's word."""
    signed = accepted(verify(SIGNER.sign(), TRUSTED))
    assert (signed.signer.identity, signed.signer.issuer) == ("C=DE,O=Acme,CN=signer", "C=DE,O=Acme,CN=root")
    assert (signed.time, signed.level, signed.annotations) == (None, "none", {"build": "7"})
    assert signed.is_signature


def test_keys_of_other_kinds_sign_nothing():
    """Ed25519 is neither of the two kinds that Notation has: no algorithm, and no signature that holds."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    key = ed25519.Ed25519PrivateKey.generate()
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    certificate = made.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1)).sign(key, None)
    assert algorithm_of(certificate) == ""
    assert not made_by_key(certificate, key.sign(b"message"), b"message")


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [
        (lambda: ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "ES512"),
        (lambda: rsa.generate_private_key(65537, 2048), "PS256"),
        (lambda: rsa.generate_private_key(65537, 3072), "PS384"),
    ],
    ids=["ES384", "ES512", "PS256", "PS384"],
)
def test_each_kind_of_key_has_its_one_algorithm(make, algorithm):
    """And no other: the header is compared with the key."""
    signer = NotationSigner(make())
    accepted(verify(signer.sign(alg=algorithm), signer.authority()))
    for other in ("ES256", "none", "HS256", "RS256"):
        assert refused(verify(signer.sign(alg=other), signer.authority())).step == "algorithm"


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [
        (p256, "ES256"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "ES512"),
        (lambda: rsa.generate_private_key(65537, 2048), "PS256"),
    ],
    ids=["ES256", "ES512", "PS256"],
)
def test_a_wrong_signature_is_wrong_by_any_algorithm(make, algorithm):
    """Another message's, a byte of it changed, too short, too long; also where the numbers would be the same."""
    signer = NotationSigner(make())
    right = json.loads(signer.sign(alg=algorithm).payload)
    accepted(verify(jws_candidate(right), signer.authority()))
    padded = right["signature"] + "=" * (-len(right["signature"]) % 4)
    signature = base64.urlsafe_b64decode(padded)
    half = len(signature) // 2
    for wrong in (
        jws_sign(signer.key, b"another message"),
        signature[:-1] + bytes([signature[-1] ^ 1]),
        signature[:-1],
        signature + b"\x00",
        signature[:half] + b"\x00" + signature[half:],
        b"",
    ):
        encoded = base64.urlsafe_b64encode(wrong).rstrip(b"=").decode()
        rejected = refused(verify(jws_candidate({**right, "signature": encoded}), signer.authority()))
        assert rejected.step == "signature"


def test_a_key_of_no_algorithm_has_none():
    """Not even the empty one."""
    signer = NotationSigner(ec.generate_private_key(ec.SECP256K1()))
    for algorithm, step in (("ES256", "algorithm"), ("", "signature")):
        assert refused(verify(signer.sign(alg=algorithm), signer.authority())).step == step


@pytest.mark.parametrize(
    ("step", "options"),
    [
        ("critical-header", {"crit": []}),
        ("critical-header", {"crit": "io.cncf.notary.signingScheme"}),
        ("critical-header", {"drop": ("crit",)}),
        ("critical-header", {"crit": [SCHEME, f"{PREFIX}verificationPlugin"]}),
        ("critical-header", {"crit": [SCHEME, 7]}),
        ("critical-header", {"verificationPlugin": "com.example.plugin"}),
        ("critical-header", {"drop": (SCHEME,)}),
        ("critical-header", {"signingScheme": "notary.x509.signingAuthority"}),
        ("critical-header", {"drop": (f"{PREFIX}signingTime",)}),
        ("critical-header", {"signingTime": "yesterday"}),
        ("critical-header", {"signingTime": "2025-06-01T12:00:00"}),
        ("critical-header", {"expiry": "2099-01-01T00:00:00Z"}),
        ("critical-header", {"crit": [SCHEME, f"{PREFIX}expiry"]}),
        ("critical-header", {"crit": [SCHEME, f"{PREFIX}expiry"], "expiry": "2025-06-01T12:00:00Z"}),
        ("payload-type", {"cty": "application/json"}),
        ("payload-type", {"drop": ("cty",)}),
        ("subject", {"target": {"digest": OTHER}}),
        ("subject", {"target": {"mediaType": "application/vnd.oci.image.index.v1+json"}}),
        ("subject", {"target": {"size": 21}}),
        ("format", {"target": {"size": "many"}}),
    ],
)
def test_whatever_the_specification_demands_is_checked(step, options):
    """Critical headers are understood or refused; the payload is bound to digest, media type and size."""
    assert refused(verify(SIGNER.sign(**options), TRUSTED)).step == step


def test_a_descriptor_of_another_kind_is_shown():
    """With what it says and what was asked about."""
    rejected = refused(verify(SIGNER.sign(target={"mediaType": "text/plain", "size": 7}), TRUSTED))
    assert "a text/plain of 7 bytes, not about a application/vnd.oci.image.manifest.v1+json of 20" in rejected.reason


def test_a_signature_counts_until_it_expires():
    """If its signer says so, in a critical header."""
    candidate = SIGNER.sign(crit=[SCHEME, f"{PREFIX}expiry"], expiry="2025-06-01T12:00:01Z")
    accepted(verify(candidate, TRUSTED))
    assert refused(verify(candidate, TRUSTED, now=NOW + timedelta(seconds=1))).step == "critical-header"


def test_an_envelope_names_its_algorithm():
    """As text; without one it is refused as such."""
    for options in ({"drop": ("alg",)}, {"alg": None}, {"alg": ["ES256"]}, {"alg": 256}):
        assert refused(verify(SIGNER.sign(**options), TRUSTED)).step == "algorithm"


def test_where_a_log_is_demanded_no_notation_signature_is_accepted():
    """For none has one; nor does asking for less by name, of signatures by identity, make up for it."""
    for levels in (Levels(require_log=True), Levels(require_log=True, allow_tsa_only=True, allow_no_log=True)):
        rejected = refused(verify(SIGNER.sign(), SIGNER.authority(levels=levels)))
        assert rejected.step == "level"
        assert "requireLog" in rejected.reason
    wrong = refused(verify(NotationSigner().sign(), SIGNER.authority(levels=Levels(require_log=True))))
    assert wrong.step == "certificate", "what is wrong comes before what is missing"


@pytest.mark.parametrize(
    "leaf",
    [
        {"uses": (ExtendedKeyUsageOID.SERVER_AUTH,)},
        {"uses": (ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)},
        {"digital_signature": False},
        {"ca": True, "digital_signature": True},
        {"ca": True, "digital_signature": True, "key_cert_sign": False},
        {"days": 0},
        {"usage_critical": False},
        {"usage_critical": None},
        {"extra": UNKNOWN},
        {"extra": x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\xff")},
    ],
    ids=[
        "not for code",
        "for anything",
        "no signatures",
        "an authority",
        "an authority that may not issue",
        "expired",
        "usage not critical",
        "no usage",
        "unknown critical extension",
        "garbled extension",
    ],
)
def test_the_leaf_must_be_a_code_signing_certificate(leaf):
    """Valid now, with nothing critical in it that is not understood."""
    signer = NotationSigner(**leaf)
    rejected = refused(verify(signer.sign(), signer.authority(), now=NOW + timedelta(hours=1)))
    assert rejected.step == "certificate"


@pytest.mark.parametrize("ca", [True, False])
def test_a_certificate_that_signed_itself_is_its_own_anchor(ca):
    """A chain of one; it may call itself an authority, as long as it may not issue."""
    key = p256()
    signer = NotationSigner(key)
    signer.root = notation_certificate("own", key, "own", key, ca=ca, digital_signature=True, key_cert_sign=False)
    accepted(verify(signer.sign(chain=[signer.root]), signer.authority()))
    assert refused(verify(signer.sign(chain=[signer.root]), SIGNER.authority())).step == "certificate"


def test_a_leaf_without_constraints_will_do():
    """The specification has them optional, and of leaves uncritical too."""
    for critical in (None, False):
        signer = NotationSigner(basic_critical=critical)
        accepted(verify(signer.sign(), signer.authority()))


def test_a_leaf_without_extended_usage_will_do():
    """The specification has it optional."""
    signer = NotationSigner(uses=())
    accepted(verify(signer.sign(), signer.authority()))


def test_the_chain_must_lead_to_an_anchor():
    """Complete, in order, of authorities, and one of its certificates is trusted."""
    leaf, middle, root = SIGNER.chain
    other = NotationSigner()
    for chain in ([leaf], [leaf, root], [leaf, root, middle], [leaf, middle], [leaf, *other.chain[1:]], [leaf] * 11):
        assert refused(verify(SIGNER.sign(chain=chain), TRUSTED)).step == "certificate"
    assert refused(verify(SIGNER.sign(), other.authority())).step == "certificate"
    assert "no trust anchors" in refused(verify(SIGNER.sign(), by_key(p256()))).reason
    assert refused(verify(SIGNER.sign(chain=other.chain), other.authority())).step == "signature"
    middle_pem = middle.public_bytes(Encoding.PEM).decode()
    accepted(verify(SIGNER.sign(), Authority(name="notation", notation_anchors=middle_pem)))


def test_authorities_of_the_chain_must_be_some():
    """A leaf cannot issue, nor an authority that may not, nor below one that allows no more."""
    key, root_key, middle_key = p256(), p256(), p256()
    root = notation_certificate("root", root_key, "root", root_key, ca=True)
    for options in (
        {"ca": False, "key_cert_sign": True},
        {"ca": True, "key_cert_sign": False},
        {"ca": True, "extra": UNKNOWN},
        {"ca": True, "usage_critical": False},
        {"ca": True, "usage_critical": None},
        {"ca": True, "basic_critical": False},
        {"ca": True, "basic_critical": None},
    ):
        middle = notation_certificate("middle", middle_key, "root", root_key, **options)
        leaf = notation_certificate("signer", key, "middle", middle_key)
        signer = NotationSigner(key)
        signer.root = root
        assert refused(verify(signer.sign(chain=[leaf, middle, root]), signer.authority())).step == "certificate"
    low_key = p256()
    middle = notation_certificate("middle", middle_key, "root", root_key, ca=True, path_length=0)
    low = notation_certificate("low", low_key, "middle", middle_key, ca=True)
    leaf = notation_certificate("signer", key, "low", low_key)
    signer = NotationSigner(key)
    signer.root = root
    rejected = refused(verify(signer.sign(chain=[leaf, low, middle, root]), signer.authority()))
    assert "longer" in rejected.reason


@pytest.mark.parametrize(
    "make",
    [
        lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505 - what is refused
        lambda: ec.generate_private_key(ec.SECP224R1()),
    ],
)
def test_no_authoritys_key_is_short(make):
    """RSA from 2,048 bits on, curves from 256: the leaf has its few kinds anyway."""
    key, root_key = p256(), make()
    root = notation_certificate("root", root_key, "root", root_key, ca=True)
    signer = NotationSigner(key)
    signer.root, leaf = root, notation_certificate("signer", key, "root", root_key)
    rejected = refused(verify(signer.sign(chain=[leaf, root]), signer.authority()))
    assert "too short" in rejected.reason


def test_certificates_are_signed_by_a_good_hash():
    """SHA-256 or longer: one of 224 bits vouches for nobody."""
    for algorithm in (hashes.SHA224(), hashes.SHA3_256()):
        signer = NotationSigner(algorithm=algorithm)
        assert "not by a good hash" in refused(verify(signer.sign(), signer.authority())).reason
    for algorithm in (hashes.SHA384(), hashes.SHA512()):
        signer = NotationSigner(algorithm=algorithm)
        accepted(verify(signer.sign(), signer.authority()))


def test_chains_that_bite_their_tail_are_refused():
    """Two authorities that issued each other never end at a root."""
    first, second, key = p256(), p256(), p256()
    pool = [
        notation_certificate("first", first, "second", second, ca=True),
        notation_certificate("second", second, "first", first, ca=True),
    ]
    with pytest.raises(RefusedError, match="not known"):
        ordered_chain(notation_certificate("signer", key, "first", first), pool)


@pytest.mark.parametrize(
    "other", ["key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "key_cert_sign"]
)
def test_a_signers_key_is_for_nothing_else(other):
    """Its usage has signatures, and at most non-repudiation beside."""
    usages = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
    usages += ("key_cert_sign", "encipher_only", "decipher_only")
    for name, good in ((other, False), ("content_commitment", True)):
        usage = x509.KeyUsage(digital_signature=True, **{one: one == name for one in usages})
        signer = NotationSigner(usage=usage)
        evidence = verify(signer.sign(), signer.authority())
        assert bool(evidence.signed) == good
        assert good or "for more than signatures" in refused(evidence).reason


@pytest.mark.parametrize(
    "use",
    [
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.OCSP_SIGNING,
        ExtendedKeyUsageOID.TIME_STAMPING,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
    ],
)
def test_a_signers_certificate_is_not_for_others_uses(use):
    """Beside code."""
    signer = NotationSigner(uses=(ExtendedKeyUsageOID.CODE_SIGNING, use))
    assert "signing code" in refused(verify(signer.sign(), signer.authority())).reason


def test_subjects_can_be_named():
    """By the leaf's distinguished name, exactly."""
    accepted(verify(SIGNER.sign(), SIGNER.authority(notation_subjects=("C=DE,O=Acme,CN=signer",))))
    assert refused(verify(SIGNER.sign(), SIGNER.authority(notation_subjects=("CN=signer",)))).step == "identity"


def test_an_envelope_of_another_form_is_refused():
    """Other fields, several signatures, no chain, encodings that have two forms; and a changed signature."""
    right = json.loads(SIGNER.sign().payload)
    for changed in (
        {**right, "extra": 1},
        {"payload": right["payload"], "signatures": [right]},
        {**right, "header": {}},
        {**right, "header": {"x5c": ["!!"]}},
        {**right, "payload": right["payload"] + "="},
        {**right, "payload": right["payload"] + "\n"},
        {**right, "signature": right["signature"][:-1] + ("B" if right["signature"][-1] == "A" else "C")},
        {**right, "protected": "e30"},
        {**right, "protected": "W10"},
    ):
        assert refused(verify(jws_candidate(changed), TRUSTED)).step in ("format", "critical-header", "algorithm")
    for chain in ([], [b64(b"x" * 40)]):
        assert refused(verify(jws_candidate({**right, "header": {"x5c": chain}}), TRUSTED)).step == "certificate"
    for signature in ("", "AAAA", "A" * 86):
        assert refused(verify(jws_candidate({**right, "signature": signature}), TRUSTED)).step == "signature"


def test_anchors_that_are_none_are_errors_of_the_configuration():
    """And huge ones."""
    for anchors in ("x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x" * 2_000_000):
        with pytest.raises(ConfigError):
            verify(SIGNER.sign(), Authority(name="n", notation_anchors=anchors))


def test_a_format_that_is_not_accepted_is_not_looked_at():
    """An authority lists the formats that it is trusted for."""
    authority = msgspec.structs.replace(TRUSTED, formats=("sigstore-bundle",))
    evidence = verify(SIGNER.sign(), authority)
    assert not evidence.signed
    assert evidence.artifact.digest == DIGEST
