"""Registries have one name each, however it is written: pure functions of the settings."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.config.provenance import RegistrySettings
from gateway.core.errors import ConfigError
from gateway.provenance.oci.errors import BadReferenceError
from gateway.provenance.oci.reference import canonical_host, without_http_port

_HTTP_PORT = ":80"


class Names:
    """Settings by the names of their hosts."""

    def __init__(self, settings: Sequence[RegistrySettings] = ()) -> None:
        """Raises ConfigError where one names what is no host."""
        self._settings = {_of_settings(host, one): one for one in settings for host in one.hosts}

    def name(self, host: str) -> str:
        """The one name of a registry: without ``:443``, and without ``:80`` if it has no TLS."""
        try:
            found = canonical_host(host)
        except BadReferenceError:
            return host.lower()
        bare = without_http_port(found)
        known = self._settings.get(bare)
        return bare if known is not None and known.plain_http else found

    def names(self, host: str) -> tuple[str, ...]:
        """The same, and what else means it, where credentials may be written down for it."""
        name = self.name(host)
        other = f"{name}{_HTTP_PORT}"
        return (name, other) if self.name(other) == name else (name,)

    def settings(self, host: str) -> RegistrySettings | None:
        """The settings for a host; None if there are none."""
        return self._settings.get(self.name(host))

    def plain(self, host: str) -> bool:
        """Whether a host, named with its port unless that is the usual one, is to be reached without TLS."""
        found = self.settings(host)
        return found is not None and found.plain_http


def canonical(host: str) -> str:
    """The one name of a host as far as its text tells; as it is, in lower case, if it is none."""
    try:
        return canonical_host(host)
    except BadReferenceError:
        return host.lower()


def _of_settings(host: str, one: RegistrySettings) -> str:
    if "/" in host:
        raise ConfigError(f"provenance.registries: hosts: {host!r}: a host is written without scheme and path")
    name = canonical(host)
    return without_http_port(name) if one.plain_http else name
