"""How each registry host is reached: with TLS or without, by whose certificates, and who hands out its tokens."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from yarl import URL

from gateway.config.provenance import RegistrySettings
from gateway.core.errors import ConfigError

_API_HOSTS = {"docker.io": "registry-1.docker.io"}
_TOKEN_HOSTS = {"registry-1.docker.io": "auth.docker.io", "docker.elastic.co": "docker-auth.elastic.co"}
"""Registries whose token server is beside them under a domain of which that alone does not tell whose it is."""
_SHARED = (
    "amazonaws.com", "appspot.com", "azure.com", "azurewebsites.net", "cloudapp.net", "cloudfront.net",
    "cluster.local", "duckdns.org", "fly.dev", "github.io", "gitlab.io", "herokuapp.com", "jfrog.io", "netlify.app",
    "ngrok.app", "ngrok.io", "ngrok-free.app", "nip.io", "ondigitalocean.app", "onrender.com", "pages.dev", "pkg.dev",
    "run.app", "sslip.io", "svc", "trycloudflare.com", "vercel.app", "web.app", "windows.net", "workers.dev",
)  # fmt: skip
"""Domains below which anybody may have a host."""
_COUNTRY_CHARS = 2


class Hosts:
    """Settings by host. What is not named is reached with TLS and the system's certificates."""

    def __init__(self, settings: Sequence[RegistrySettings] = ()) -> None:
        self._settings = {host.lower().removesuffix(":443"): one for one in settings for host in one.hosts}
        self._contexts: dict[str, ssl.SSLContext] = {}
        for one in settings:
            if one.ca_file:
                self._contexts[one.ca_file] = _context(one.ca_file)

    def base(self, registry: str) -> URL:
        """Where a registry's API is."""
        host = _API_HOSTS.get(registry, registry)
        return URL(f"{'http' if self.plain(registry) else 'https'}://{host}")

    def plain(self, host: str) -> bool:
        """Whether a host, named with its port unless that is the usual one, is to be reached without TLS."""
        found = self._settings.get(host.lower())
        return found is not None and found.plain_http

    def tls(self, url: URL) -> ssl.SSLContext | bool:
        """The TLS settings for where a URL leads; True for the default ones."""
        found = self._settings.get(named(url))
        return self._contexts[found.ca_file] if found is not None and found.ca_file else True

    def gives_tokens(self, registry: str, realm: URL) -> bool:
        """Whether a token server that a registry names may be asked, and told a password.

        It must be the registry's own host, one that is configured, one that is known to be its token server, or a host
        beside it under a domain that is surely one owner's; and it must have TLS wherever the registry is to have it.
        """
        own = self.base(registry)
        host = (realm.host or "").lower()
        if realm.scheme != "https" and not (realm.scheme == "http" and self.plain(named(realm))):
            return False
        found = self._settings.get(registry)
        if named(realm) == named(own) or (found is not None and {host, named(realm)} & set(found.token_hosts)):
            return True
        if _TOKEN_HOSTS.get(named(own)) == named(realm):
            return True
        parent = (own.host or "").partition(".")[2]
        return _is_ones_own(parent) and (host == parent or host.endswith(f".{parent}"))


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
    """The host of a URL as settings name it: with its port, unless that is the usual one."""
    return (url.host_port_subcomponent or "").lower()


def _is_ones_own(domain: str) -> bool:
    """Whether a domain is surely one owner's, not everybody's (``com``, ``or.jp``, ``github.io``), nor the tail of an address.

    Of two labels below a country that cannot be told without a list of all public suffixes: then it is not.
    """
    labels = domain.split(".")
    if len(labels) < 2 or labels[-1].isdigit() or f".{domain}".endswith(tuple(f".{one}" for one in _SHARED)):  # noqa: PLR2004
        return False
    return len(labels) > 2 or len(labels[-1]) != _COUNTRY_CHARS  # noqa: PLR2004 - a name and a top level


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{ca_file}: no certificates that can be used: {error.strerror or error}") from None
