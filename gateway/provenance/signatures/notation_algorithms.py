"""The six algorithms that Notation allows, each tied to a kind of key, by their names in JWS; COSE has numbers for the same.

Source: notaryproject/specifications, signature-specification.md ("algorithm selection"); RFC 7518; RFC 9053, whose ECDSA
signatures have the form of JWS.
"""

from __future__ import annotations

from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

_CURVES: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "secp256r1": ("ES256", hashes.SHA256()),
    "secp384r1": ("ES384", hashes.SHA384()),
    "secp521r1": ("ES512", hashes.SHA512()),
}
_RSA: dict[int, tuple[str, hashes.HashAlgorithm]] = {
    2048: ("PS256", hashes.SHA256()),
    3072: ("PS384", hashes.SHA384()),
    4096: ("PS512", hashes.SHA512()),
}


def _kind(certificate: x509.Certificate) -> tuple[str, hashes.HashAlgorithm] | None:
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name)
    if isinstance(key, rsa.RSAPublicKey):
        return _RSA.get(key.key_size)
    return None


def algorithm_of(certificate: x509.Certificate) -> str:
    """The one algorithm that the certificate's key signs with; "" for a key that is not allowed."""
    kind = _kind(certificate)
    return kind[0] if kind else ""


def made_by_key(certificate: x509.Certificate, signature: bytes, message: bytes) -> bool:
    """Whether the certificate's key made the signature."""
    kind, key = _kind(certificate), certificate.public_key()
    if kind is None:
        return False
    algorithm = kind[1]
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            half = (key.key_size + 7) // 8
            if len(signature) != 2 * half:
                return False
            pair = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
            key.verify(encode_dss_signature(*pair), message, ec.ECDSA(algorithm))
        else:
            salted = padding.PSS(padding.MGF1(algorithm), padding.PSS.DIGEST_LENGTH)
            cast("rsa.RSAPublicKey", key).verify(signature, message, salted, algorithm)
    except (InvalidSignature, ValueError):
        return False
    return True
