"""What a look at an ExternalSecret goes by before anything is read, and what can come of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from gateway.controllers.external.held import Json
from gateway.controllers.external.shared import Path
from gateway.controllers.external.uses import Reads, Stamp, key_of_path, policy_of_path
from gateway_secrets.external.collect import MAX_SOURCES
from gateway_secrets.external.record import annotations_of, intact, prefix_of
from gateway_secrets.external.spec import ExternalSecret, Spec


class Outcome(StrEnum):
    """What became of an object. ``waiting``: it comes again, since something is not there yet. ``failed``: the API server did
    not do what was asked of it.
    """

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    WAITING = "waiting"
    FAILED = "failed"
    UNCLAIMED = "unclaimed"
    GONE = "gone"


class Result(msgspec.Struct, frozen=True):
    """``again_in``: seconds until it is looked at again, None: when something changes; where it is not in sync, at the latest. ``problem``: why it is not in sync.
    ``reads``: what it reads, as far as that is known; ``partial``: something that it reads may only be known when it is read.
    ``anew``: where it is not in sync, what the next look must read anew; None: all.
    """

    outcome: Outcome
    again_in: float | None = None
    problem: str = ""
    reads: Reads = Reads()
    partial: bool = False
    anew: frozenset[Path] | None = None


def left_alone(external: ExternalSecret, present: Json | None, reason: str, key: bytes) -> bool:
    """Whether the Secret is as it was written, or is not to be mended. ``reason``: of the object's condition; ``key``: of marks."""
    target = external.spec.target
    if target.creation_policy == "None":
        return True
    if present is None:
        # With Merge there may be none; with Delete, and what was read was nothing, there is none.
        return reason in ("SecretMissing", "SecretDeleted")
    return external.spec.refresh_policy == "CreatedOnce" or intact(present, external, key)


def searches(spec: Spec) -> bool:
    """Whether what is read is known only when it is; and it is read, if there is a reason."""
    return spec.refresh_policy != "CreatedOnce" and any(entry.find is not None for entry in spec.data_from)


def noted(secret: Json | None, external: ExternalSecret, paths: Iterable[Path]) -> dict[Path, Stamp]:
    """The versions that a Secret says it is of, as far as it can be told which is whose."""
    annotations, prefix = annotations_of(secret), prefix_of(external)
    keys, versions = (annotations.get(f"{prefix}/{name}", "").split(",") for name in ("key", "version"))
    if len(keys) != len(versions) or len(keys) >= MAX_SOURCES:
        return {}  # it does not say all, or not readably
    known = {key: version for key, version in zip(keys, versions, strict=True) if version and keys.count(key) == 1}
    # Of metadata the version of the value says nothing.
    plain = (path for path in paths if policy_of_path(path) == "None")
    return {path: Stamp(known[key_of_path(path)]) for path in plain if key_of_path(path) in known}
