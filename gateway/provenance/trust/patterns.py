"""Patterns of repositories: globs over registry and repository, whole or not at all."""

from __future__ import annotations

import re
from functools import lru_cache

from gateway.provenance.oci.errors import BadReferenceError
from gateway.provenance.oci.reference import DOCKER, LAYOUT, canonical_host, is_host, is_repository, without_http_port

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_STARRED_HOST = re.compile(r"(?:[a-z0-9.*-]+|[0-9a-f:*\[]+\])(?::[1-9*][0-9*]*)?\Z")
_TLS_PORT = ":443"


@lru_cache(maxsize=4096)
def _pieces(pattern: str) -> tuple[str, ...]:
    return tuple(re.split(r"(\*\*|\*)", pattern))  # an empty piece is matched wherever it is


def matches(pattern: str, name: str) -> bool:
    """Whether a repository, such as ``ghcr.io/acme/app``, is one that the pattern is about.

    ``*`` stays within one part of the path, ``**`` does not. Positions that can be reached are followed piece by piece:
    no pattern takes long, whatever it is.
    """
    reached = {0}
    for piece in _pieces(pattern):
        if piece == "**":
            reached = set(range(min(reached), len(name) + 1))
        elif piece == "*":
            reached = {at for start in reached for at in range(start, _end_of_part(name, start) + 1)}
        else:
            reached = {at + len(piece) for at in reached if name.startswith(piece, at)}
        if not reached:
            return False
    return len(name) in reached


def _end_of_part(name: str, start: int) -> int:
    end = name.find("/", start)
    return len(name) if end < 0 else end


def meant(pattern: str) -> str:
    """A pattern as whoever wrote it may have meant it: itself, unless there is no name that it could match.

    Names are as :class:`gateway.provenance.oci.reference.Reference` has them: without scheme, tag and digest, in lower
    case, each registry by its one name. Empty where it cannot be told what is meant.
    """
    if pattern.startswith(LAYOUT):
        return pattern
    text = pattern.strip().lower()
    scheme = _SCHEME.match(text)
    text = (text[scheme.end() :] if scheme else text).partition("@")[0].rstrip("/")
    first, slash, rest = text.partition("/")
    if not slash and not (is_host(first) and re.search(r"[.\[]|^localhost\b|\*\*", first)):
        first = first.partition(":")[0]  # a tag, and no port
    folder, between, last = rest.rpartition("/")
    return _placed(first, f"{folder}{between}{last.partition(':')[0]}")


def _placed(first: str, rest: str) -> str:
    if rest and not is_repository(rest.replace("*", "a")):
        return ""
    if "*" in first:
        if not _STARRED_HOST.match(first) or (not rest and "**" not in first):
            return ""
        first = without_http_port(first.removesuffix(_TLS_PORT))
        return f"{first}/{rest}" if rest else first
    if not is_host(first):
        name = f"{first}/{rest}" if rest else f"library/{first}"
        return f"{DOCKER}/{name}" if is_repository(name.replace("*", "a")) else ""
    try:
        registry = without_http_port(canonical_host(first))
    except BadReferenceError:
        return ""
    if registry == DOCKER and rest != "*" and rest and "/" not in rest and "**" not in rest:
        rest = f"library/{rest}"
    return f"{registry}/{rest if rest and (registry, rest) != (DOCKER, '*') else '**'}"
