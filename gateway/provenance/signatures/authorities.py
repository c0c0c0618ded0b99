"""Authorities ready for use: keys read, patterns compiled, roots and anchors decoded; once for each set of settings."""

from __future__ import annotations

import functools

from cryptography import x509

from gateway.core.errors import ConfigError
from gateway.provenance.evidence import Authority
from gateway.provenance.signatures.identities import Matcher
from gateway.provenance.signatures.keys import TrustedKey
from gateway.provenance.signatures.root import TrustedRoot, read_root

MAX_KEYS = 256
MAX_IDENTITIES = 256
MAX_ANCHORS_BYTES = 1024 * 1024


class Trusted:
    """An authority that can be asked. See :class:`gateway.provenance.evidence.Authority` for what it means."""

    def __init__(self, settings: Authority) -> None:
        """Raises ConfigError with the authority's name and what is wrong with it."""
        self.settings = settings
        notation = settings.notation_anchors or settings.notation_signing_authorities
        if not (settings.keys or settings.identities or notation):
            raise ConfigError(f"authority {settings.name}: no key, no identity, no Notation anchor: it trusts nobody")
        if len(settings.keys) > MAX_KEYS or len(settings.identities) > MAX_IDENTITIES:
            raise ConfigError(f"authority {settings.name}: more than {MAX_KEYS} keys or {MAX_IDENTITIES} identities")
        try:
            self.keys = tuple(TrustedKey(key) for key in settings.keys)
            self.matchers = tuple(Matcher(identity) for identity in settings.identities)
            self.anchors = _anchors(settings.notation_anchors)
            self.signing_authorities = _anchors(settings.notation_signing_authorities)
            self.timestamp_authorities = _anchors(settings.notation_timestamp_authorities)
            if settings.identities or settings.trusted_root:
                read_root(settings.trusted_root)
        except ConfigError as error:
            raise ConfigError(f"authority {settings.name}: {error}") from None

    @property
    def root(self) -> TrustedRoot:
        """The trusted root; that of the public-good instance is read when it is first needed."""
        return read_root(self.settings.trusted_root)


@functools.lru_cache(maxsize=256)
def trusted(settings: Authority) -> Trusted:
    """The authority of these settings, made once.

    Raises:
        ConfigError: the settings cannot be used.
    """
    return Trusted(settings)


def _anchors(pem: str) -> tuple[x509.Certificate, ...]:
    if not pem:
        return ()
    if len(pem) > MAX_ANCHORS_BYTES:
        raise ConfigError(f"the Notation trust anchors have more than {MAX_ANCHORS_BYTES} bytes")
    try:
        return tuple(x509.load_pem_x509_certificates(pem.encode()))
    except Exception:  # noqa: BLE001 - InvalidVersion, of a certificate of v1 or v5, is no ValueError
        raise ConfigError("the Notation trust anchors are not certificates in PEM") from None
