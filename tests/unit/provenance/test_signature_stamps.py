"""When a Notation signature was made: time stamps, signing authorities, and what either is worth."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.notation import (
    AUTHENTIC,
    AUTHORITY,
    CRIT,
    EXPIRY,
    NOON,
    SCHEME,
    STAMP,
    TIME,
    by_authority,
    epoch,
    sign_cose,
)
from support.signing import (
    DIGEST,
    NotationSigner,
    accepted,
    bundle,
    by_key,
    jws_candidate,
    p256,
    refused,
    verify,
)
from support.sigstack import NOW, Stack, b64, statement
from support.tsa import TimestampAuthority, accuracy

from gateway.provenance.evidence import Authority, Candidate, Evidence
from gateway.provenance.signatures.der import elements, enclose
from gateway.provenance.signatures.refusal import RefusedError
from gateway.provenance.signatures.x509chain import TIME_STAMPING, check_chain, ordered_chain

TSA = TimestampAuthority()
SIGNER = NotationSigner()
STAMPED = SIGNER.authority(notation_timestamp_authorities=TSA.anchors)
LATER = NOW + timedelta(days=365)
"""Long after the signer's certificate has ended."""
BASELINE = "0.4.0.2023.1.1"


def signing_authority(**more) -> Authority:
    return Authority(name="service", notation_signing_authorities=SIGNER.anchors, **more)


def stamped(authority: TimestampAuthority = TSA, at: datetime = NOW, **how) -> Candidate:
    """A signature in COSE with a time stamp over it."""
    return sign_cose(SIGNER, None, {STAMP: lambda signature: authority.token(signature, at, **how)})


def stamped_jws(authority: TimestampAuthority = TSA, at: datetime = NOW) -> Candidate:
    """The same in JWS."""
    document = json.loads(SIGNER.sign().payload)
    signature = base64.urlsafe_b64decode(document["signature"] + "==")
    document["header"][STAMP] = b64(authority.token(signature, at))
    return jws_candidate(document)


@pytest.mark.parametrize("candidate", [stamped(), stamped_jws()], ids=["COSE", "JWS"])
def test_a_signature_with_a_time_stamp_outlives_its_certificates(candidate):
    """What counts is when it was made; it holds for good, and its time is evidence."""
    signed = accepted(verify(candidate, STAMPED, now=LATER))
    assert (signed.time, signed.level, signed.valid_until) == (NOW, "tsa", None)
    without = refused(verify(candidate, SIGNER.authority(), now=LATER))
    assert without.step == "certificate", "nobody who stamps times is trusted"
    assert "notation.tsa" in without.remedy


def test_without_trusted_authorities_a_time_stamp_is_not_looked_at():
    """Even a garbled one; the certificates must be valid now."""
    signed = accepted(verify(sign_cose(SIGNER, None, {STAMP: b"garbled"}), SIGNER.authority()))
    assert (signed.time, signed.level) == (None, "none")
    assert signed.valid_until is not None


def test_without_a_time_stamp_the_certificates_must_be_valid_now():
    """Where one is not demanded; where it is, that is said."""
    assert accepted(verify(sign_cose(SIGNER), STAMPED)).level == "none"
    assert refused(verify(sign_cose(SIGNER), STAMPED, now=LATER)).step == "certificate"
    strict = SIGNER.authority(notation_timestamp_authorities=TSA.anchors, notation_require_timestamp=True)
    for candidate in (sign_cose(SIGNER), SIGNER.sign()):
        missing = refused(verify(candidate, strict))
        assert (missing.step, "requireTimestamp" in missing.reason) == ("level", True)
    accepted(verify(stamped(), strict))


SHA224, SHA512 = "04", "03"
"""The last byte of a hash's object identifier."""


def imprint(last: str, digest: bytes) -> bytes:
    """A MessageImprint by another hash."""
    algorithm = b"\x30\x0b" + bytes.fromhex("06096086480165030402" + last)
    hashed = b"\x04" + bytes([len(digest)]) + digest
    return b"\x30" + bytes([len(algorithm + hashed)]) + algorithm + hashed


def by_sha512(signature: bytes) -> bytes:
    return TSA.token(b"", NOW, imprint=imprint(SHA512, hashlib.sha512(signature).digest()))


def carrying(*certificates) -> Callable[[bytes], bytes]:
    """Tokens with other certificates in them."""
    return lambda signature: TSA.token(signature, NOW, carried=certificates)


@pytest.mark.parametrize(
    "token",
    [
        lambda _: b"garbled",
        lambda signature: TSA.stamp(signature, NOW),
        lambda signature: TSA.token(signature, NOW)[:-1],
        lambda signature: TSA.token(signature, NOW) + b"\x00",
        lambda _: TSA.token(b"another signature", NOW),
        lambda _: TSA.token(b"", NOW, imprint=imprint(SHA512, b"x" * 64)),
        lambda signature: TSA.token(b"", NOW, imprint=imprint(SHA224, hashlib.sha224(signature).digest())),
        lambda signature: TimestampAuthority().token(signature, NOW),
        carrying(),
        carrying(TSA.chain[1]),
        carrying(*TimestampAuthority().chain),
        lambda signature: TSA.token(signature, NOW, accuracy=accuracy(2**40)),
        carrying(TSA.chain[0], *(NotationSigner().leaf for _ in range(10))),
    ],
    ids=[
        "garbled",
        "a response, not a token",
        "cut",
        "something after it",
        "of another signature",
        "of another hash",
        "by a hash that is not accepted",
        "by another authority",
        "without certificates",
        "without its signer's certificate",
        "with another's certificates",
        "of any time at all",
        "with too many certificates",
    ],
)
def test_a_time_stamp_that_is_there_must_be_right(token):
    """Where authorities are trusted, whether or not the certificates are valid now."""
    assert refused(verify(sign_cose(SIGNER, None, {STAMP: token}), STAMPED)).step == "timestamp"


def twin() -> x509.Certificate:
    """A certificate with the name and number of the authority's, by somebody else."""
    leaf, key = TSA.chain[0], p256()
    builder = x509.CertificateBuilder(leaf.issuer, leaf.subject, key.public_key(), leaf.serial_number)
    builder = builder.not_valid_before(leaf.not_valid_before_utc).not_valid_after(leaf.not_valid_after_utc)
    return builder.sign(key, hashes.SHA256())


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (carrying(TSA.chain[1]), "not exactly one certificate of its signer"),
        (carrying(TSA.chain[0], twin()), "not exactly one certificate of its signer"),
        (carrying(TSA.chain[0], *(NotationSigner().leaf for _ in range(10))), "11 certificates"),
    ],
)
def test_a_token_has_the_certificate_of_its_signer_once(token, said):
    """Which of two would have signed, readers could see differently."""
    assert said in refused(verify(sign_cose(SIGNER, None, {STAMP: token}), STAMPED)).reason


def test_der_is_read_within_its_bounds():
    """Elements fill what they are in; of definite lengths, of four bytes at most."""
    for size in (0, 1, 127, 128, 255, 256, 65_536):
        made = enclose(0x30, b"x" * size)
        (one,) = elements(made, 0, len(made))
        assert (one.tag, one.start, one.end, one.end - one.content) == (0x30, 0, len(made), size)
        assert len(made) - size == 2 + (size > 127) + (size > 255) + (size > 65_535)
    assert [one.tag for one in elements(b"\x02\x00\x05\x00", 0, 4)] == [2, 5]
    for wrong in (b"\x30", b"\x30\x80\x00\x00", b"\x30\x85\x00\x00\x00\x00\x00", b"\x30\x02\x00", b"\x30\x82\x00"):
        with pytest.raises(ValueError, match=r"cut|length|longer"):
            elements(wrong, 0, len(wrong))


def test_a_time_stamp_may_be_by_a_longer_hash():
    """Notation stamps by the hash that the signer's key takes."""
    longer = sign_cose(SIGNER, None, {STAMP: by_sha512})
    assert accepted(verify(longer, STAMPED)).time == NOW


@pytest.mark.parametrize(
    "authority",
    [
        TimestampAuthority((ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)),
        TimestampAuthority((ExtendedKeyUsageOID.CODE_SIGNING,)),
        TimestampAuthority(critical=False),
        TimestampAuthority(days=30),
        TimestampAuthority(curve=ec.SECP224R1),
    ],
    ids=["for more than times", "for code", "use not critical", "ended before", "by a key too short"],
)
def test_a_time_stamp_is_made_by_who_stamps_times_and_nothing_else(authority):
    """By the extended use of the certificate, which is critical; it was valid at that time, and its key is strong."""
    trusting = SIGNER.authority(notation_timestamp_authorities=authority.anchors)
    assert refused(verify(stamped(authority), trusting)).step == "timestamp"


def test_the_signer_of_a_time_stamp_is_under_an_anchor_for_those():
    """Not under one for code: whoever may sign may not tell when."""
    swapped = Authority(name="n", notation_anchors=SIGNER.anchors, notation_timestamp_authorities=SIGNER.anchors)
    assert refused(verify(stamped(), swapped)).step == "timestamp"


def test_the_stamped_time_is_within_the_certificates_own():
    """All of them, and by as much as the stamp may be wrong; RFC 3628's policy means a second where nothing is said."""
    start, end = NOW - timedelta(days=1), NOW + timedelta(days=30)
    accepted(verify(stamped(at=start), STAMPED))
    accepted(verify(stamped(at=end), STAMPED, now=LATER))
    for at in (start - timedelta(seconds=1), end + timedelta(seconds=1)):
        assert refused(verify(stamped(at=at), STAMPED, now=LATER)).step == "certificate"
    for at in (start, end):
        for how in ({"accuracy": accuracy(1)}, {"accuracy": accuracy(0, 500)}, {"policy": BASELINE}):
            assert refused(verify(stamped(at=at, **how), STAMPED, now=LATER)).step == "certificate"
    told = stamped(at=start + timedelta(seconds=1), policy=BASELINE, accuracy=accuracy(2))
    assert refused(verify(told, STAMPED, now=LATER)).step == "certificate"
    inside = stamped(at=start + timedelta(seconds=1), policy=BASELINE)
    accepted(verify(inside, STAMPED, now=LATER))
    accepted(verify(stamped(at=start + timedelta(seconds=1), accuracy=accuracy(1)), STAMPED, now=LATER))


def test_a_time_yet_to_come_is_nobodys():
    """Five minutes are allowed for clocks; neither a time stamp nor a signing authority may say more."""
    near, far = NOW + timedelta(minutes=4), NOW + timedelta(minutes=6)
    accepted(verify(stamped(at=near), STAMPED))
    assert refused(verify(stamped(at=far), STAMPED)).step == "timestamp"
    told = by_authority() | {AUTHENTIC: epoch(NOON + 360)}
    assert refused(verify(sign_cose(SIGNER, told), signing_authority())).step == "timestamp"


def test_what_is_stamped_expires_all_the_same():
    """The signer's expiry is compared with now, and until then it holds."""
    ends = NOW + timedelta(days=100)
    expiring = {CRIT: [SCHEME, EXPIRY], EXPIRY: epoch(int(ends.timestamp()))}
    candidate = sign_cose(SIGNER, expiring, {STAMP: lambda signature: TSA.token(signature, NOW)})
    assert accepted(verify(candidate, STAMPED, now=NOW + timedelta(days=99))).valid_until == ends
    assert refused(verify(candidate, STAMPED, now=ends)).step == "critical-header"


def jws_by_authority(**more) -> Candidate:
    options = {
        "signingScheme": AUTHORITY,
        "authenticSigningTime": "2025-06-01T12:00:00Z",
        "crit": [SCHEME, AUTHENTIC],
        "drop": (TIME,),
    }
    return SIGNER.sign(**{**options, **more})


@pytest.mark.parametrize("candidate", [sign_cose(SIGNER, by_authority()), jws_by_authority()], ids=["COSE", "JWS"])
def test_a_signing_authority_tells_when_it_signed(candidate):
    """It is trusted for that; its certificates were valid then, and it holds for good."""
    signed = accepted(verify(candidate, signing_authority(), now=LATER))
    assert (signed.time, signed.level, signed.valid_until) == (NOW, "authority", None)
    assert (signed.signer.identity, signed.signer.issuer) == ("C=DE,O=Acme,CN=signer", "C=DE,O=Acme,CN=root")


def test_who_may_issue_certificates_may_not_tell_the_time():
    """The anchors are of different types: a certificate under the one makes no signature of the other's scheme."""
    for candidate in (sign_cose(SIGNER, by_authority()), jws_by_authority()):
        rejected = refused(verify(candidate, STAMPED))
        assert (rejected.step, "notation.signingAuthority" in rejected.remedy) == ("certificate", True)
    rejected = refused(verify(sign_cose(SIGNER), signing_authority()))
    assert (rejected.step, "notary.x509" in rejected.reason) == ("certificate", True)
    assert refused(verify(sign_cose(SIGNER, by_authority()), by_key(p256()))).step == "certificate"


@pytest.mark.parametrize(
    "protected",
    [
        by_authority() | {CRIT: [SCHEME]},
        by_authority() | {TIME: epoch(NOON)},
        by_authority() | {AUTHENTIC: "2025-06-01T12:00:00Z"},
        {AUTHENTIC: epoch(NOON), CRIT: [SCHEME, AUTHENTIC]},
        {AUTHENTIC: epoch(NOON)},
        by_authority() | {EXPIRY: epoch(NOON + 1)},
    ],
    ids=["not critical", "with the other's time", "no time", "by the other scheme", "the same, uncritical", "expiry"],
)
def test_each_scheme_has_its_own_time(protected):
    """And that of a signing authority is critical."""
    for trusting in (signing_authority(), STAMPED):
        assert refused(verify(sign_cose(SIGNER, protected), trusting)).step == "critical-header"


def test_a_signing_authoritys_certificates_were_valid_when_it_signed():
    """At the time that it tells; a time stamp beside it counts for nothing."""
    early = by_authority() | {AUTHENTIC: epoch(NOON - 2 * 86_400)}
    outside = {STAMP: lambda signature: TSA.token(signature, NOW)}
    trusting = signing_authority(notation_timestamp_authorities=TSA.anchors)
    assert refused(verify(sign_cose(SIGNER, early, outside), trusting)).step == "certificate"
    ending = by_authority() | {CRIT: [SCHEME, AUTHENTIC, EXPIRY], EXPIRY: epoch(NOON + 60)}
    assert accepted(verify(sign_cose(SIGNER, ending), trusting)).valid_until == NOW + timedelta(minutes=1)
    assert refused(verify(sign_cose(SIGNER, ending), trusting, now=LATER)).step == "critical-header"


def test_a_chain_of_a_time_stamp_may_be_long():
    """Its intermediates are in the token, in any order, and what does not belong there is passed over."""
    listed = [*SIGNER.chain, *TSA.chain]
    for carried in (listed, listed[::-1]):
        assert accepted(verify(stamped(carried=carried), STAMPED)).time == NOW


def sigstore_stamped(
    authority: TimestampAuthority, chain: list[x509.Certificate], time: bytes = b"20250601120000Z"
) -> Evidence:
    """What comes of a Sigstore bundle with a time stamp, where the trusted root has this chain for its authority."""
    stack, key = Stack(), p256()
    document = stack.envelope(statement(DIGEST), key, logged=False)
    signature = base64.b64decode(document["dsseEnvelope"]["signatures"][0]["sig"])
    stamp = authority.stamp(signature, NOW).replace(b"20250601120000Z", time)
    stamps = {"rfc3161Timestamps": [{"signedTimestamp": b64(stamp)}]}
    document["verificationMaterial"]["timestampVerificationData"] = stamps
    stack.tsa.chain = chain
    return verify(bundle(document), by_key(key, root=stack.root()))


def test_an_authority_of_a_trusted_root_is_its_whole_chain():
    """Which may be one certificate that signed itself; else the root has issued the one that signs."""
    alone = TimestampAuthority(alone=True)
    for authority in (TSA, alone):
        assert accepted(sigstore_stamped(authority, authority.chain)).time == NOW
    for chain in (TSA.chain[:1], [TSA.chain[0], TimestampAuthority().chain[1]], alone.chain):
        assert refused(sigstore_stamped(TSA, chain)).step == "timestamp"


@pytest.mark.parametrize("time", [b"20250231120000Z", b"00000601120000Z"])
def test_a_time_that_there_is_not_cannot_be_read(time):
    """The thirty-first of February, the year 0: found where the stamp is read, whoever made it."""
    rejected = refused(sigstore_stamped(TSA, TSA.chain, time))
    assert (rejected.step, rejected.reason) == ("timestamp", "the time stamp cannot be read (ValueError)")


@pytest.mark.parametrize(
    "chain",
    [
        TimestampAuthority((ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)).chain,
        TimestampAuthority(critical=False).chain,
        NotationSigner(uses=()).chain,
    ],
    ids=["for more than times", "use not critical", "no use"],
)
def test_the_chain_itself_tells_that_it_is_for_times(chain):
    """Whatever the library that reads stamps makes of it."""
    with pytest.raises(RefusedError, match="not for stamping times"):
        check_chain(chain, chain, (NOW,), TIME_STAMPING)
    check_chain(TSA.chain, TSA.chain, (NOW,), TIME_STAMPING)


def test_a_chain_is_put_in_order_from_whatever_is_there():
    """Only who issued the last one follows it."""
    pool = [*TSA.chain, *SIGNER.chain]
    assert ordered_chain(SIGNER.leaf, pool) == tuple(SIGNER.chain)
