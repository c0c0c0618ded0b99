"""A captured context: what rules know of a cluster, in a file, so that a pull request is judged as the cluster judges."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from gateway.config.files import read_bounded
from gateway.core.errors import ConfigError
from gateway.core.subject import Json, UserInfo
from policies.rule import INVENTORY, USER, inventory_of
from policies.ruleset import RuleSet
from policies.waivers import Waiver, read_waiver

MAX_BYTES = 512 * 1024 * 1024


class Objects(msgspec.Struct, frozen=True, rename="camel"):
    """Other objects, as rules find them below ``data.inventory``. ``kinds``: the types of which all are there.

    ``whole``: they are all that rules which name no types see.
    """

    kinds: tuple[str, ...] = ()
    whole: bool = False
    objects: Json = {}


class Snapshot(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What was known at the time ``captured``. ``user``: who would ask; ``gatekeeper``: its templates and constraints."""

    captured: datetime
    api_version: Literal["govgate.dev/v1alpha1"] = "govgate.dev/v1alpha1"
    kind: Literal["ContextSnapshot"] = "ContextSnapshot"
    user: UserInfo | None = None
    namespaces: tuple[Json, ...] = ()
    inventory: Objects = Objects()
    waivers: tuple[Json, ...] = ()
    gatekeeper: tuple[Json, ...] = ()


class Captured:
    """The :class:`policies.surroundings.Surroundings` of a snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        objects = snapshot.inventory
        whole = {INVENTORY} if objects.whole else set()
        user = {USER} if snapshot.user is not None else set()
        self.known = frozenset({*map(inventory_of, objects.kinds)} | whole | user)
        self._namespaces = {_name(item): item for item in snapshot.namespaces}

    def namespace(self, name: str) -> Json | None:
        """The Namespace object, None if it was not there."""
        return self._namespaces.get(name)

    async def look(self, _name: str) -> Json | None:
        """None, always: there is nobody to ask."""
        return None


def read_snapshot(path: Path) -> Snapshot:
    """The snapshot in a file.

    Raises:
        ConfigError: it cannot be read, or is none.
    """
    content = read_bounded(path, max_bytes=MAX_BYTES)
    try:
        snapshot = msgspec.json.decode(content, type=Snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: is no ContextSnapshot: {error}") from None
    if snapshot.captured.tzinfo is None:
        raise ConfigError(f"{path}: is no ContextSnapshot: captured has no time zone")
    return snapshot


def waivers_of(snapshot: Snapshot, *, source: str) -> list[Waiver]:
    """The waivers that the cluster held.

    Raises:
        ConfigError: one is wrong.
    """
    return [read_waiver(document, source=source) for document in snapshot.waivers]


async def feed(rules: RuleSet, snapshot: Snapshot) -> None:
    """Make the captured objects known to the rules.

    Raises:
        UndecidedError: the rules do not take them.
    """
    if snapshot.inventory.objects:
        await rules.put_inventory([], snapshot.inventory.objects)


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """As a file holds it: the same bytes for the same state, but for the time."""
    return msgspec.json.format(msgspec.json.encode(snapshot, order="deterministic")) + b"\n"


def by_name(documents: Sequence[Json]) -> tuple[Json, ...]:
    """Documents in a stable order."""
    return tuple(sorted(documents, key=lambda one: (str(one.get("kind", "")), _namespace(one), _name(one))))


def _name(document: Json) -> str:
    metadata = document.get("metadata")
    return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""


def _namespace(document: Json) -> str:
    metadata = document.get("metadata")
    return str(metadata.get("namespace", "")) if isinstance(metadata, dict) else ""
