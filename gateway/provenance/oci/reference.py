"""References to artifacts, read as container tools read them.

Source: the distribution specification 1.1 (names, tags), the image specification (digests), and Docker's rules for
names without a registry: ``nginx`` is ``docker.io/library/nginx``.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import msgspec

from gateway.provenance.oci.errors import BadReferenceError

DOCKER = "docker.io"
LAYOUT = "oci-layout:"
SCHEME = "oci://"
MAX_CHARS = 1024

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = re.compile(rf"({_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::([1-9][0-9]{{0,4}}))?\Z")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*\Z")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_DOCKER_HOSTS = frozenset((DOCKER, "index.docker.io", "registry-1.docker.io"))
_MAX_REPOSITORY_CHARS = 255
_MAX_PORT = 65535
_TLS_PORT = 443


class Reference(msgspec.Struct, frozen=True):
    """``registry`` is a host, with a port or without; ``tag`` is empty where a digest says what is meant."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Registry and repository: what trust policies match. A registry without TLS is one, with ``:80`` or without."""
        return f"{without_http_port(self.registry)}/{self.repository}"

    def at(self, digest: str) -> Reference:
        """The same repository, pinned."""
        return Reference(self.registry, self.repository, digest=digest)

    def __str__(self) -> str:
        name = f"{self.registry}/{self.repository}"
        return f"{name}@{self.digest}" if self.digest else f"{name}:{self.tag}"


class LayoutReference(msgspec.Struct, frozen=True):
    """An artifact in a folder (OCI image layout); without ``tag`` and ``digest``, the only one that is in it."""

    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """What trust policies match."""
        return f"{LAYOUT}{self.path}"

    def __str__(self) -> str:
        return self.name + (f"@{self.digest}" if self.digest else f":{self.tag}" if self.tag else "")


def parse_reference(text: str) -> Reference:
    """``REGISTRY/REPO:TAG``, ``REGISTRY/REPO@sha256:…``, both (the digest holds), or a Docker short name.

    ``oci://`` before it is taken off. Without tag and digest, the tag is ``latest``.

    Raises:
        BadReferenceError: it is none.
    """
    if len(text) > MAX_CHARS:
        raise BadReferenceError(f"a reference has at most {MAX_CHARS} characters")
    rest = text.removeprefix(SCHEME)
    rest, _, digest = rest.partition("@")
    if "@" in text and not is_digest(digest):
        raise BadReferenceError(f"{text!r}: after @ there must be sha256: and 64 hexadecimal digits")
    name, tag = _tag_of(rest)
    try:
        registry, repository = _registry_of(name)
    except BadReferenceError as error:
        raise BadReferenceError(f"{text!r}: {error}") from None
    if not is_repository(repository):
        raise BadReferenceError(f"{text!r}: {repository!r} is no name of a repository (lower case, parts joined by /)")
    if tag and not _TAG.match(tag):
        raise BadReferenceError(f"{text!r}: {tag!r} is no tag")
    return Reference(registry, repository, "" if digest else tag or "latest", digest)


def parse_any(text: str) -> Reference | LayoutReference:
    """A reference, or ``oci-layout:PATH``, ``oci-layout:PATH:TAG``, ``oci-layout:PATH@sha256:…``.

    Raises:
        BadReferenceError: it is neither.
    """
    if not text.startswith(LAYOUT):
        return parse_reference(text)
    rest, _, digest = text.removeprefix(LAYOUT).partition("@sha256:")
    if digest and not is_digest(f"sha256:{digest}"):
        raise BadReferenceError(f"{text!r}: after @ there must be sha256: and 64 hexadecimal digits")
    path, tag = _tag_of(rest)
    if not path:
        raise BadReferenceError(f"{text!r}: there is no path")
    if digest:
        return LayoutReference(path, digest=f"sha256:{digest}")
    if tag and not _TAG.match(tag):
        raise BadReferenceError(f"{text!r}: {tag!r} is no tag")
    return LayoutReference(path, tag)


def is_digest(text: str) -> bool:
    """Whether it is a SHA-256 digest as registries write them."""
    return bool(_DIGEST.match(text))


def is_tag(text: str) -> bool:
    """Whether it is a tag as registries have them."""
    return bool(_TAG.match(text))


def is_repository(text: str) -> bool:
    """Whether it is a repository's name, without a registry."""
    return bool(_REPOSITORY.match(text)) and len(text) <= _MAX_REPOSITORY_CHARS


def is_host(first: str) -> bool:
    """Whether the first part of a name is a registry's host, or else a part of a name at Docker Hub."""
    return any(c in first for c in ".:[") or first == "localhost" or first != first.lower()


def canonical_host(text: str) -> str:
    """The one name of a registry, however it is written: or a policy for one spelling could be evaded by another.

    Raises:
        BadReferenceError: it is no host, or one that programs read in different ways.
    """
    found = _HOST.match(text)
    if found is None or int(found[2] or 0) > _MAX_PORT:
        raise BadReferenceError(f"{text!r} is no host (a port is a number up to {_MAX_PORT}, without zeros before it)")
    host, port = _canonical_name(found[1]), int(found[2] or _TLS_PORT)
    if host in _DOCKER_HOSTS and port == _TLS_PORT:
        return DOCKER
    if port == _TLS_PORT and not is_host(host):
        raise BadReferenceError(
            f"{text!r} may be a host, or a part of a name at Docker Hub: write the host with its domain"
        )
    return host if port == _TLS_PORT else f"{host}:{port}"


def without_http_port(registry: str) -> str:
    """A canonical name without the port that is usual where there is no TLS, if it is a name of a host without it too."""
    bare = registry.removesuffix(":80")
    return bare if is_host(bare) and bare not in _DOCKER_HOSTS else registry


def _canonical_name(host: str) -> str:
    try:
        if host.startswith("["):
            address = IPv6Address(host[1:-1])
            return str(address.ipv4_mapped or f"[{address.compressed}]")
        # What ends in a number is an address: 127.1 and 0x7f.1 would be one more way to write it.
        last = host.rpartition(".")[2].lower()
        numeric = last.isdigit() or re.match(r"0x[0-9a-f]*\Z", last)
        return str(IPv4Address(host)) if numeric else host.lower()
    except AddressValueError:
        raise BadReferenceError(f"{host!r} is no address as it is usually written") from None


def _tag_of(text: str) -> tuple[str, str]:
    folder, slash, last = text.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{folder}{slash}{last}", tag


def _registry_of(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not slash or not is_host(first):
        return DOCKER, name if slash else f"library/{name}"
    registry = canonical_host(first)
    return registry, f"library/{rest}" if registry == DOCKER and "/" not in rest else rest
