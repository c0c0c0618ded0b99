"""Templates as External Secrets has them: what its own code made of some, and its functions, each with an answer that
another library knows.
"""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt.algorithms
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    pkcs12,
)
from support.external_secrets import recording

from gateway.native.templates import Renderer, TemplateError

pytestmark = pytest.mark.native

NOW = datetime(2026, 11, 26, tzinfo=UTC)
SANS = [
    x509.DNSName("b.example"),
    x509.DNSName("a.example"),
    x509.RFC822Name("ops@example"),
    x509.UniformResourceIdentifier("spiffe://example/a"),
    x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
    x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
]


@cache
def key_of(name: str) -> Any:
    return rsa.generate_private_key(65537, 2048) if name == "rsa" else ec.generate_private_key(ec.SECP256R1())


@cache
def certificate(name: str, issuer: str) -> x509.Certificate:
    """Of a chain: its key identifiers name who issued it."""

    def named(words: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, words)])

    public, above = key_of(name).public_key(), key_of(issuer)
    builder = x509.CertificateBuilder(named(issuer), named(name), public, x509.random_serial_number())
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key())
    builder = builder.add_extension(authority, critical=False)
    if name == "leaf":
        builder = builder.add_extension(x509.SubjectAlternativeName(SANS), critical=False)
    return builder.sign(above, hashes.SHA256())


LEAF, MIDDLE, ROOT = certificate("leaf", "middle"), certificate("middle", "root"), certificate("root", "root")
CHAIN = [LEAF, MIDDLE, ROOT]


def pem(*given: Any) -> bytes:
    parts = [
        one.public_bytes(Encoding.PEM)
        if isinstance(one, x509.Certificate)
        else one.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        for one in given
    ]
    return b"".join(parts)


VALUES = {
    "leaf": pem(LEAF),
    "key": pem(key_of("leaf")),
    "sec1": key_of("leaf").private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    "pkcs1": key_of("rsa").private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    "rsa": pem(key_of("rsa")),
    "chain": pem(*CHAIN),
    "shuffled": pem(ROOT, LEAF, MIDDLE),
    "unfinished": pem(LEAF, MIDDLE),
    "disjunct": pem(LEAF, certificate("other", "other")),
    "all": b"some words\n" + pem(key_of("leaf"), *CHAIN),
    "words": b"no PEM at all",
    "password": b"pass word",
    "yaml": b"a: {b: [1, x]}\nt: true\n",
    "properties": b"# comment\nuser = admin\npassword: ${user}\\u0021\n",
}


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    made = Renderer()
    yield made
    made.close()


def rendered(renderer: Renderer, text: str, **values: bytes) -> bytes:
    return renderer.render_here([text], VALUES | values, dialect="external-secrets")[0]


def refused(renderer: Renderer, text: str) -> str:
    with pytest.raises(TemplateError) as raised:
        rendered(renderer, text)
    return raised.value.message


KNOWN = {
    "{{ .all | filterPEM `CERTIFICATE` }}": pem(*CHAIN),
    "{{ .all | filterPEM `private key` }}": pem(key_of("leaf")),
    "{{ .chain | filterPEM `PRIVATE KEY` }}": b"",
    "{{ .shuffled | filterCertChain `leaf` }}": pem(LEAF),
    "{{ .shuffled | filterCertChain `intermediate` }}": pem(MIDDLE),
    "{{ .shuffled | filterCertChain `root` }}": pem(ROOT),
    "{{ .unfinished | filterCertChain `root` }}": b"",
    "{{ .leaf | filterCertChain `intermediate` }}": b"",
    "{{ .chain | filterCertChain `other` }}": b"",
    "{{ .all | filterPEM `CERTIFICATE` | certSANs | join `,` }}": (
        b"b.example,a.example,2001:db8::1,192.0.2.1,ops@example,spiffe://example/a"
    ),
    "{{ (fromYaml .yaml).a.b | toYaml }}": b"- 1\n- x",
    "{{ fromYaml .yaml | toYaml }}": b"a:\n  b:\n  - 1\n  - x\nt: true",
    "{{ (fromProperties .properties).password }}": b"${user}!",
    "{{ rsaDecrypt `None` `` .words `` }}": b"no PEM at all",
}


@pytest.mark.parametrize("text", KNOWN)
def test_what_is_the_same_each_time(renderer: Renderer, text: str) -> None:
    """PEM, chains by key identifiers, YAML, properties."""
    assert rendered(renderer, text) == KNOWN[text]


@pytest.mark.parametrize(
    ("text", "said"),
    {
        "{{ .words | filterPEM `KEY` }}": "filterPEM finds what is no PEM",
        "{{ .disjunct | filterCertChain `leaf` }}": "several leaf certificates",
        "{{ .words | filterCertChain `leaf` }}": "no leaf certificate",
        "{{ .all | filterCertChain `leaf` }}": "no certificate",
        "{{ .words | certSANs }}": "no certificate in PEM",
        "{{ pemToPkcs12 .words .key }}": "no certificate",
        "{{ pemToPkcs12 .leaf .words }}": "no private key in PEM",
        "{{ pemToPkcs12 .leaf .leaf }}": "no private key that it can read",
        "{{ pemTruststoreToPKCS12 .all }}": "no certificate",
        "{{ .words | pkcs12cert }}": "cannot open the PKCS#12 archive",
        "{{ .words | jwkPublicKeyPem }}": "no JSON Web Key",
        "{{ rsaDecrypt `RSA-OAEP` `SHA256` .words .key }}": "not RSA's",
        "{{ rsaDecrypt `RSA-OAEP` `SHA256` .words .rsa }}": "cannot decrypt",
        "{{ rsaDecrypt `RSA` `SHA256` .words .rsa }}": "knows the schemes",
        "{{ fromYaml `[1` }}": "no mapping in YAML",
        "{{ index . `typo` }}": "there is nothing to be put here",
        "{{ index . `typo` | quote }}": "quote is given nothing",
        "{{ b64dec .words }}": "no base64",
    }.items(),
)
def test_what_is_refused(renderer: Renderer, text: str, said: str) -> None:
    """With the reason."""
    assert said in refused(renderer, text)


@pytest.mark.parametrize("key", ["key", "sec1"])
@pytest.mark.parametrize(
    ("call", "password", "further"),
    [
        ("pemToPkcs12 .chain .{}", None, []),
        ("pemToPkcs12Pass .chain .{} .password", b"pass word", []),
        ("fullPemToPkcs12 .chain .{}", None, [MIDDLE, ROOT]),
        ("fullPemToPkcs12Pass .chain .{} .password", b"pass word", [MIDDLE, ROOT]),
    ],
)
def test_archives_are_made(renderer: Renderer, call: str, password: bytes, further: Any, key: str) -> None:
    """In base64; of the first certificate, or all of them."""
    archive = base64.b64decode(rendered(renderer, f"{{{{ {call.format(key)} }}}}"))
    opened = pkcs12.load_pkcs12(archive, password or b"")
    assert opened.cert is not None
    assert (opened.cert.certificate, [one.certificate for one in opened.additional_certs]) == (LEAF, further)
    assert pem(opened.key) == VALUES["key"]


def test_trust_stores_are_made(renderer: Renderer) -> None:
    """Of certificates alone, with a password and without."""
    for call, password in (("pemTruststoreToPKCS12 .chain", b""), ("pemTruststoreToPKCS12Pass .chain `x`", b"x")):
        opened = pkcs12.load_pkcs12(base64.b64decode(rendered(renderer, f"{{{{ {call} }}}}")), password)
        assert (opened.key, [one.certificate for one in opened.additional_certs]) == (None, CHAIN)


@pytest.mark.parametrize(("password", "suffix"), [(b"", ""), (b"pass word", "Pass .password")])
def test_archives_are_opened(renderer: Renderer, password: bytes, suffix: str) -> None:
    """Certificates come from the leaf to the root, or as they lie there if they are no chain."""
    for others, expected in (([ROOT, MIDDLE], CHAIN), ([certificate("other", "other")], None)):
        how = BestAvailableEncryption(password) if password else NoEncryption()
        archive = pkcs12.serialize_key_and_certificates(None, key_of("leaf"), LEAF, others, how)
        assert rendered(renderer, f"{{{{ .archive | pkcs12key{suffix} }}}}", archive=archive) == VALUES["key"]
        chain = rendered(renderer, f"{{{{ .archive | pkcs12cert{suffix} }}}}", archive=archive)
        assert chain == pem(*(expected or [LEAF, *others]))


@pytest.mark.parametrize("name", ["leaf", "rsa"])
def test_json_web_keys_are_written_as_pem(renderer: Renderer, name: str) -> None:
    """Private ones as PKCS#8, public ones as PKIX; the one is not made of the other."""
    key = key_of(name)
    algorithm = jwt.algorithms.RSAAlgorithm if name == "rsa" else jwt.algorithms.ECAlgorithm
    private = json.dumps(algorithm.to_jwk(key, as_dict=True)).encode()
    public = json.dumps(algorithm.to_jwk(key.public_key(), as_dict=True)).encode()
    made = load_pem_private_key(rendered(renderer, "{{ .jwk | jwkPrivateKeyPem }}", jwk=private), None)
    assert pem(made) == pem(key)
    read = load_pem_public_key(rendered(renderer, "{{ .jwk | jwkPublicKeyPem }}", jwk=public))
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert read.public_bytes(*form) == key.public_key().public_bytes(*form)
    for call, given in (("jwkPublicKeyPem", private), ("jwkPrivateKeyPem", public)):
        with pytest.raises(TemplateError, match="another kind"):
            rendered(renderer, f"{{{{ .jwk | {call} }}}}", jwk=given)


@pytest.mark.parametrize("key", ["rsa", "pkcs1"])
@pytest.mark.parametrize(
    ("named", "digest"),
    [("SHA1", hashes.SHA1()), ("SHA256", hashes.SHA256()), ("SHA512", hashes.SHA512()), ("None", hashes.SHA256())],  # noqa: S303 - what people have
)
def test_what_is_encrypted_with_rsa_is_decrypted(renderer: Renderer, named: str, digest: Any, key: str) -> None:
    """OAEP, with the digest that is named, for the label and for the mask."""
    how = padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)
    sealed = key_of("rsa").public_key().encrypt(b"secret words", how)
    assert (
        rendered(renderer, f"{{{{ rsaDecrypt `RSA-OAEP` `{named}` .sealed .{key} }}}}", sealed=sealed)
        == b"secret words"
    )


RECORDED = recording()
STRICTER = frozenset((
    '{{ index . "missing" }}',
    '{{ define "t" }}<{{ . }}>{{ end }}{{ template "t" }}',
    '{{ b64dec "%%%" }}',
    '{{ b32dec "1" }}',
    '{{ atoi "x" }}',
    "{{ int .user }}",
    "{{ fromJson .broken }}",
    '{{ get (dict) "a" }}',
    '{{ fromYaml "- a" | len }}',
    "{{ toYaml nil }}",
))  # fmt: skip
"""Where External Secrets puts something in the place of what is not there, or cannot be read; here it is an error."""


@pytest.mark.parametrize(("text", "made"), list(zip(RECORDED.texts, RECORDED.made, strict=True)))
def test_what_external_secrets_makes_of_it(renderer: Renderer, text: str, made: bytes | None) -> None:
    """The same bytes; what it refuses is refused, without a value in what is said. What is refused here alone is listed."""
    try:
        outputs: list[Any] = renderer.render_here([text], RECORDED.values, dialect="external-secrets")
    except TemplateError as error:
        outputs, message = [None], error.message
    else:
        message = ""
    assert outputs == [None if text in STRICTER else made]
    assert (text in STRICTER) <= (made is not None)
    assert not [key for key, value in RECORDED.values.items() if len(value) > 5 and value.decode("latin-1") in message]
