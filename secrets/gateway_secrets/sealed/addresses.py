"""Addresses of controllers and certificates. Apart from what uses the network, which is slow to import."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from gateway_secrets.sealed.errors import RemoteError


def is_url(name: str) -> bool:
    """Whether a certificate is to be fetched, rather than read from a file."""
    return name.startswith(("http://", "https://"))


def controller_url(base: str, path: str) -> str:
    """The address of one of the controller's paths, such as ``/v1/verify``, below what the user gave."""
    parts = urlsplit(base)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise RemoteError(f"{shown(base)}: is no http or https address")
    prefix = parts.path.removesuffix("/v1/cert.pem").rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, prefix + path, parts.query, ""))


def shown(url: str) -> str:
    """A URL for messages: without user, password and query, which may be secret."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
