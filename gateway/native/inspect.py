"""What Rego files and bundles hold, as OPA's own parser and bundle reader see it, before anything is compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.native.library import NativeError, call

MAX_BUNDLE_BYTES = 64 * 1024 * 1024


class Inspected(msgspec.Struct, frozen=True):
    """One module: its package, the names that it defines there, and the Rego version that it is written in."""

    path: str
    package: str
    version: int
    rules: tuple[str, ...]


class Problem(msgspec.Struct, frozen=True):
    """What the parser refuses, and where."""

    path: str
    line: int
    column: int
    code: str
    message: str


class Inspection(msgspec.Struct, frozen=True):
    """All modules that could be parsed, and why the others could not."""

    modules: tuple[Inspected, ...]
    problems: tuple[Problem, ...]


class BundleModule(msgspec.Struct, frozen=True):
    """A Rego file of a bundle."""

    path: str
    text: str
    version: int


class Bundle(msgspec.Struct, frozen=True):
    """An OPA bundle, verified if keys were given."""

    modules: tuple[BundleModule, ...]
    data: dict[str, Any] | None = None
    revision: str = ""
    roots: tuple[str, ...] | None = None


class Key(msgspec.Struct, frozen=True):
    """A key that bundles may be signed with: PEM, and the algorithm as JWS names it (``RS256``, ``ES256``, …)."""

    key: str
    algorithm: str = "RS256"
    scope: str = ""


def inspect_modules(modules: Sequence[tuple[str, str]]) -> Inspection:
    """Inspect Rego files, given as path and text."""
    request = {"modules": [{"path": path, "text": text} for path, text in modules]}
    return msgspec.json.decode(call("rego.inspect", msgspec.json.encode(request)), type=Inspection)


def read_bundle(archive: bytes, keys: Mapping[str, Key], *, scope: str = "") -> Bundle:
    """Read an OPA bundle. With ``keys``, by key id, it must be signed by one of them; without, it must not be signed.

    Raises:
        NativeError: it is no bundle, is too large, or its signature or a file's digest is wrong.
    """
    if len(archive) > MAX_BUNDLE_BYTES:
        raise NativeError("bundle", f"the bundle is larger than {MAX_BUNDLE_BYTES} bytes")
    request = {"archive": archive, "keys": dict(keys), "scope": scope, "max_bytes": MAX_BUNDLE_BYTES}
    return msgspec.json.decode(call("rego.bundle", msgspec.json.encode(request)), type=Bundle)
