"""Where policies have keys, trusted roots and anchors from: keys of Secrets and ConfigMaps, named and not yet read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from gateway.config.provenance import Certificates, ObjectKey, TrustAuthority, TrustedKey, TrustedRoot, TrustPolicySpec
from gateway.core.errors import ConfigError


class Place(msgspec.Struct, frozen=True):
    """One key of one object. ``namespace``: empty for the gateway's own."""

    kind: Literal["Secret", "ConfigMap"]
    namespace: str
    name: str
    key: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace or '(own namespace)'}/{self.name}, key {self.key}"


Refer = Callable[[Place], bytes]
"""The content of a place.

Raises:
    ConfigError: it may not be read, or cannot be.
"""


def no_place(place: Place) -> bytes:
    """Where no cluster is connected.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(f"{place}: no cluster is connected that it could be read from")


def place_of(one: TrustedKey | TrustedRoot | Certificates) -> Place | None:
    """Where the content is, if it is in an object.

    Raises:
        ConfigError: in two of them.
    """
    found = [Place(kind, ref.namespace, ref.name, ref.key) for kind, ref in _references(one) if ref is not None]
    if len(found) > 1:
        raise ConfigError("secretKeyRef or configMapKeyRef, not both")
    return found[0] if found else None


def places(policy: TrustPolicySpec) -> frozenset[Place]:
    """All that a policy names."""
    return frozenset(
        Place(kind, ref.namespace, ref.name, ref.key)
        for authority in policy.authorities
        for one in _all_of(authority)
        for kind, ref in _references(one)
        if ref is not None
    )


def _all_of(authority: TrustAuthority) -> Iterator[TrustedKey | TrustedRoot | Certificates]:
    yield from authority.keys
    yield authority.trusted_root
    yield from (authority.notation, authority.notation.tsa, authority.notation.signing_authority)


def _references(
    one: TrustedKey | TrustedRoot | Certificates,
) -> Iterator[tuple[Literal["Secret", "ConfigMap"], ObjectKey | None]]:
    yield "Secret", one.secret_key_ref
    yield "ConfigMap", one.config_map_key_ref
