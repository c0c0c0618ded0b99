"""Which namespaces may read which keys of a store: an annotation of the store, which only its administrators may set. Pure.

``secrets.govgate.dev/allowed-keys`` holds a JSON list of rules::

    [{"namespaces": ["team-*"], "keys": ["{namespace}/**"]},
     {"namespaces": ["*"], "keys": ["shared/*"]}]

A namespace may read a key if a rule has both. In keys ``*`` and ``?`` stand for anything within a segment, ``**`` for any
number of segments, and ``{namespace}`` for the name of the namespace that asks. What no rule allows is not allowed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gateway_secrets.external.errors import SpecError
from gateway_secrets.stores.errors import MisconfiguredError
from gateway_secrets.stores.vault_spec import parse_spec, secret_path

ANNOTATION = "secrets.govgate.dev/allowed-keys"
MAX_BYTES = 64 * 1024

Pattern = Annotated[str, Meta(min_length=1, max_length=1024)]
ANY, WITHIN, ONE = "any", "within", "one"
_WILD = {"**": ANY, "*": WITHIN, "?": ONE}
_TOKEN = re.compile(r"\*\*|\*|\?|\{namespace\}|.", re.DOTALL)


class AllowedError(SpecError):
    """The list of allowed keys is not readable."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``namespaces``: globs of names. ``keys``: patterns of keys."""

    namespaces: Annotated[tuple[Pattern, ...], Meta(min_length=1, max_length=1_000)]
    keys: Annotated[tuple[Pattern, ...], Meta(min_length=1, max_length=1_000)]


class Allowed(msgspec.Struct, frozen=True):
    """The rules of one store."""

    rules: tuple[Rule, ...]

    def allows(self, namespace: str, key: str) -> bool:
        """Whether a namespace may read a key, which is as :func:`canonical` gives it."""
        return any(
            any(fnmatchcase(namespace, pattern) for pattern in rule.namespaces)
            and any(_matches(pattern, namespace, key) for pattern in rule.keys)
            for rule in self.rules
        )


def allowed_of(text: str) -> Allowed:
    """The rules in an annotation.

    Raises:
        AllowedError: it holds no such list.
    """
    if len(text) > MAX_BYTES:
        raise AllowedError(f"{ANNOTATION} has more than {MAX_BYTES} characters")
    try:
        return Allowed(msgspec.json.decode(text, type=tuple[Rule, ...]))
    except msgspec.DecodeError as error:
        raise AllowedError(f"{ANNOTATION}: {error}") from None


def canonical(provider: str, spec: Mapping[str, Any], key: str) -> str:
    """The one name of what ``key`` leads to, where a store takes several for the same.

    Vault's keys are below the mount: ``kv/data/a/b`` and ``a/b`` are one secret of the mount ``kv``.

    Raises:
        AllowedError: the store cannot be read, so nothing can be said of its keys.
    """
    if provider != "vault":
        return key
    try:
        return secret_path(parse_spec(dict(spec), where="spec.provider.vault"), key)
    except MisconfiguredError as error:
        raise AllowedError(str(error)) from None


def _matches(pattern: str, namespace: str, key: str) -> bool:
    """Whether the pattern matches the whole key: all its states at once, in time of both lengths, as a tenant writes it."""
    tokens = _tokens(pattern, namespace)
    states = _reached({0}, tokens)
    for char in key:
        moved = set()
        for at in states:
            token = tokens[at] if at < len(tokens) else ""
            if token == ANY or (token == WITHIN and char != "/"):
                moved.add(at)
            elif token == char or (token == ONE and char != "/"):
                moved.add(at + 1)
        states = _reached(moved, tokens)
    return len(tokens) in states


def _reached(states: set[int], tokens: Sequence[str]) -> set[int]:
    """These states and those that stars lead to without taking anything."""
    reached = set(states)
    for at in states:
        while at < len(tokens) and tokens[at] in (ANY, WITHIN):
            at += 1  # noqa: PLW2901 - it walks on
            reached.add(at)
    return reached


@lru_cache(maxsize=4096)
def _tokens(pattern: str, namespace: str) -> tuple[str, ...]:
    """Characters, and the words for what is not one."""
    tokens: list[str] = []
    for part in _TOKEN.findall(pattern):
        tokens += namespace if part == "{namespace}" else (_WILD.get(part, part),)
    return tuple(tokens)
