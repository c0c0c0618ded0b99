"""How each registry host is reached: with TLS or without, by whose certificates, and who hands out its tokens."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from yarl import URL

from gateway.config.files import read_bounded, read_together
from gateway.config.provenance import RegistrySettings
from gateway.core.errors import ConfigError
from gateway.provenance.oci.names import Names, canonical
from gateway.provenance.oci.reference import DOCKER
from gateway.provenance.oci.tls import MAX_PEM_BYTES, Contexts, Material

_API_HOSTS = {DOCKER: "registry-1.docker.io"}
_TOKEN_HOSTS = {
    DOCKER: "auth.docker.io",
    "docker.elastic.co": "docker-auth.elastic.co",
    "registry.digitalocean.com": "api.digitalocean.com",
}
"""Registries whose token server is not its own host, nor above or below it."""
_NOTHING = Material()


class Hosts(Names):
    """Settings by host. What is not named is reached with TLS and the system's certificates."""

    def __init__(self, settings: Sequence[RegistrySettings] = ()) -> None:
        """Raises ConfigError where one names what is no host, or a file that cannot be used."""
        super().__init__(settings)
        self._contexts = Contexts()
        read = {id(one): self._read(one) for one in settings}
        self._materials = {name: read[id(one)] for name, one in self._settings.items()}

    def base(self, registry: str) -> URL:
        """Where a registry's API is."""
        name = self.name(registry)
        return URL(f"{'http' if self.plain(name) else 'https'}://{_API_HOSTS.get(name, name)}")

    def knows(self, registry: str) -> bool:
        """Whether the settings name it."""
        return self.settings(registry) is not None

    def tls(self, url: URL, owner: str = "", named_by_object: Material = _NOTHING) -> ssl.SSLContext | bool:
        """The TLS settings for where a URL leads; True for the default ones.

        Args:
            url: where.
            owner: the registry whose own server that is, or its token server: it is shown a client certificate.
                Empty for wherever it redirects to.
            named_by_object: what the judged object names for the registry. It goes before the configuration's, and with
                it the configuration's own client certificate is not shown: somebody else may say who the server is.

        Raises:
            ConfigError: what the object names cannot be used.
        """
        host = self.name(named(url))
        ca = self._materials.get(host, _NOTHING).ca
        if named_by_object:
            if not owner:
                beside = Material(ca=b"\n".join(filter(None, (ca, named_by_object.ca))))
                return self._context(beside, system=not ca)
            ca, shown = named_by_object.ca or ca, named_by_object
        else:
            shown = self._shown(host, owner)
        return self._context(Material(ca, shown.certificate, shown.key))

    def gives_tokens(self, registry: str, realm: URL) -> bool:
        """Whether a token server that a registry names may be asked, and told a password.

        It must be the registry's own host, one that is configured, one that is known to be its token server, or a host
        whose name is above the registry's or below it: who has a name has all that end in it, and could have had the
        password anyway. Of two hosts beside each other that cannot be told without a list of all domains below which
        strangers may have hosts. It must have TLS wherever the registry is to have it.
        """
        own = self.base(registry)
        host, name, registry = (realm.host or "").lower(), self.name(named(realm)), self.name(registry)
        if realm.scheme != "https" and not (realm.scheme == "http" and self.plain(name)):
            return False
        found = self.settings(registry)
        if name == registry or (found is not None and {host, name} & {canonical(one) for one in found.token_hosts}):
            return True
        if _TOKEN_HOSTS.get(registry) == name:
            return True
        own_host = (own.host or "").lower()
        return _is_above(host, own_host) or _is_above(own_host, host)

    def _shown(self, host: str, owner: str) -> Material:
        if not owner:
            return _NOTHING
        own = self._materials.get(host, _NOTHING)
        return own if own.certificate else self._materials.get(self.name(owner), _NOTHING)

    def _context(self, material: Material, *, system: bool = False) -> ssl.SSLContext | bool:
        return self._contexts.of(material, system=system) if material else True

    def _read(self, one: RegistrySettings) -> Material:
        if bool(one.cert_file) != bool(one.key_file):
            raise ConfigError(f"provenance.registries ({one.hosts[0]}): certFile and keyFile belong together")
        ca = (read_bounded(one.ca_file, max_bytes=MAX_PEM_BYTES) or b"\n") if one.ca_file else b""
        if ca:
            self._check(Material(ca), one.ca_file)
        if not one.cert_file:
            return Material(ca)
        certificate, key = read_together((one.cert_file, one.key_file), max_bytes=MAX_PEM_BYTES)
        material = Material(ca, certificate, key)
        self._check(material, f"{one.cert_file}, {one.key_file}")
        return material

    def _check(self, material: Material, files: str) -> None:
        try:
            self._contexts.of(material)
        except ConfigError as error:
            raise ConfigError(f"{files}: {error}") from None


def stranger(text: str, *, at: URL | None = None, encoded: bool = False) -> URL | None:
    """A URL that a registry sent, relative to ``at``; None if it is none that can be asked, in any of its parts."""
    try:
        url = URL(text, encoded=encoded)
        url = url if at is None else at.join(url)
        whole = bool(url.origin() and url.host and url.port and named(url))
    except (ValueError, OverflowError):
        return None
    return url if whole and url.scheme in {"http", "https"} and url.user is None else None


def named(url: URL) -> str:
    """The host of a URL with its port, unless that is the usual one."""
    return (url.host_port_subcomponent or "").lower()


def _is_above(upper: str, lower: str) -> bool:
    """Whether one host's name is a tail of another's; not of an address, nor a top level by itself."""
    return "." in upper and not upper.rpartition(".")[2].isdigit() and lower.endswith(f".{upper}")
