"""How a Flux source verifies by itself: what is wrong with ``spec.verify``, for a person.

The patterns of ``matchOIDCIdentity`` are regular expressions that are searched for, not matched whole: one without anchors
accepts whoever has it in the middle of a name, and a dot stands for any character.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gateway.core.subject import Json
from gateway.provenance.trust.reading import is_anchored
from webhooks.sources.fetch import items, section, text

_ANYBODY = frozenset(("", ".*", ".+", "(.*)", "(.+)"))


class Weakness(msgspec.Struct, frozen=True):
    """What is wrong at one field, and what to write instead."""

    field: str
    message: str
    remedy: str


def weaknesses(spec: Json, path: str = "spec") -> list[Weakness]:
    """What is wrong with how a source with this spec is fetched and verified."""
    found: list[Weakness] = []
    if spec.get("insecure") is True:
        found.append(Weakness(f"{path}.insecure", "the registry is spoken to without TLS", "remove insecure: true"))
    verify = section(spec, "verify")
    if not verify:
        remedy = f"set {path}.verify with the provider and its key or identity"
        return [*found, Weakness(f"{path}.verify", "the source verifies no signatures when it fetches", remedy)]
    at = f"{path}.verify"
    identities = items(verify, "matchOIDCIdentity")
    keyed = bool(text(section(verify, "secretRef").get("name")))
    if verify.get("provider", "cosign") == "notation":
        if not keyed:
            found.append(
                Weakness(f"{at}.secretRef", "notation without a trust policy", f"name the Secret in {at}.secretRef")
            )
        return found
    if not keyed and not identities:
        message = "signatures without a key, and no identity: anybody's signature is accepted"
        found.append(Weakness(f"{at}.matchOIDCIdentity", message, "name one identity: issuer and subject, anchored"))
    if len(identities) > 1:
        message = f"{len(identities)} identities: whether any of them, or all, must match has differed between versions"
        found.append(Weakness(f"{at}.matchOIDCIdentity", message, "name one identity, by an anchored pattern"))
    for index, identity in enumerate(identities):
        for name in ("issuer", "subject"):
            where = f"{at}.matchOIDCIdentity[{index}].{name}"
            found += [Weakness(where, *problem) for problem in _pattern(text(identity.get(name)), name)]
    return found


def _pattern(pattern: str, name: str) -> Iterator[tuple[str, str]]:
    if not pattern:
        yield f"no {name}: any is accepted", f"name the {name}: ^…$"
        return
    if pattern.removeprefix("^").removesuffix("$") in _ANYBODY:
        yield f"the {name} {pattern!r} accepts anything", f"name the {name}: ^…$"
        return
    if not is_anchored(pattern):
        yield f"the {name} {pattern!r} is not anchored: it is found inside of longer names too", "write ^…$ around it"
    if has_open_dot(pattern):
        yield f"the {name} {pattern!r} has dots that stand for any character", r"write \. for a dot"


def has_open_dot(pattern: str) -> bool:
    """Whether a dot that was meant as one stands for any character: not escaped, not in a class, not repeated."""
    escaped = in_class = False
    for index, character in enumerate(pattern):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
        elif character == "." and pattern[index + 1 : index + 2] not in ("*", "+", "?", "{"):
            return True
    return False
