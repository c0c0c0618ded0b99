"""Whether a plaintext changed, told by a keyed digest. Nobody without the key can try out plaintexts on it.

Each value has a key of its own, derived from the digest key and from scope, namespace, name and key of the value: equal
secrets in two places have nothing in common. The sealed value and its certificate go into the digest too, so that a
digest says "this was made of this plaintext, with that certificate", and nothing about any other.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode

import msgspec

from gateway_secrets.sealed.scope import Scope

KEY_BYTES = 32
_DIGEST_BYTES = 16
_PURPOSE = "govgate seal digest 1"


class Place(msgspec.Struct, frozen=True):
    """Where a value is: what it is bound to, and its key in the Secret."""

    scope: Scope
    namespace: str
    name: str
    key: str


class DigestKey(msgspec.Struct, frozen=True):
    """The secret that digests are made with, :data:`KEY_BYTES` long."""

    secret: bytes

    @property
    def id(self) -> str:
        """Which key it is; says nothing about it."""
        return hmac.digest(self.secret, f"{_PURPOSE} id".encode(), "sha256")[:6].hex()

    def digest(self, place: Place, fingerprint: str, sealed: str, plaintext: bytes) -> str:
        """22 characters that depend on the key, the place, the certificate, the sealed value and the plaintext."""
        parts = (_PURPOSE, place.scope, place.namespace, place.name, place.key)
        derived = hmac.digest(self.secret, msgspec.json.encode(parts), "sha256")
        blob = f"{fingerprint} {sealed}".encode()
        message = len(blob).to_bytes(8, "big") + blob + plaintext
        return urlsafe_b64encode(hmac.digest(derived, message, "sha256")[:_DIGEST_BYTES]).rstrip(b"=").decode()

    def matches(self, digest: str, place: Place, fingerprint: str, sealed: str, plaintext: bytes) -> bool:
        """Whether the sealed value is of this plaintext; in time that does not depend on how much of it is right."""
        return hmac.compare_digest(self.digest(place, fingerprint, sealed, plaintext).encode(), digest.encode())

    def __repr__(self) -> str:
        return f"DigestKey({self.id})"
