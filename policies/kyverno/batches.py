"""Objects that one call of Kyverno can judge together.

Of two objects of one kind, namespace and name Kyverno's command line takes none, and a call knows one user and one
Namespace of a name.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

import msgspec

from gateway.core.errors import MalformedRequestError
from gateway.core.subject import Json, UserInfo
from policies.rule import USER, Asked

MAX_OBJECTS = 100
MAX_BYTES = 8 * 1024 * 1024
MAX_COMPILED = 1000
"""Of ValidatingPolicies, in a call: each is compiled anew for each object, which takes about 14 ms."""


class Batch(msgspec.Struct):
    """What goes into a call: ``positions`` of the objects among all, and what is known around them."""

    user: UserInfo | None
    positions: list[int] = []
    objects: list[Json] = []
    namespaces: dict[str, Json] = {}

    def part(self, chosen: Sequence[int]) -> Batch:
        """Those of its objects at ``chosen`` (places in this batch)."""
        positions = [self.positions[i] for i in chosen]
        return Batch(self.user, positions, [self.objects[i] for i in chosen], self.namespaces)

    def named(self) -> tuple[list[Json], dict[str, int]]:
        """The objects, each with a ``uid`` that nobody can foresee; and the place of each uid.

        At admission the API server has given them one, which policies cannot depend on.
        """
        start = uuid.uuid4().int & ~0xFFFFF
        uids = [str(uuid.UUID(int=start + place)) for place in range(len(self.objects))]
        objects = [
            {**one, "metadata": {**one["metadata"], "uid": uid}} for one, uid in zip(self.objects, uids, strict=True)
        ]
        return objects, {uid: place for place, uid in enumerate(uids)}


def batches(many: Sequence[tuple[int, Asked]], *, users: bool, compiled: int = 0) -> Iterator[Batch]:
    """Batches of all of ``many``, in order as far as may be. ``users``: whether it matters who asks. ``compiled``: how
    many ValidatingPolicies there are.
    """
    limit = min(MAX_OBJECTS, max(1, MAX_COMPILED // max(1, compiled)))
    groups: dict[bytes, list[tuple[int, Asked]]] = {}
    for position, asked in many:
        known = users and USER in asked.known
        groups.setdefault(msgspec.json.encode(asked.subject.user) if known else b"", []).append((position, asked))
    for key, group in groups.items():
        waiting = group
        while waiting:
            batch = Batch(group[0][1].subject.user if key else None)
            waiting = _fill(batch, waiting, limit)
            yield batch


def object_of(asked: Asked) -> Json:
    """The object as Kyverno is given it: in its namespace, without managed fields.

    Raises:
        MalformedRequestError: it is not readable JSON, or has no metadata.
    """
    subject = asked.subject
    metadata = subject.object.get("metadata")
    if not isinstance(metadata, dict):
        raise MalformedRequestError("the object has no metadata")
    kept = {key: value for key, value in metadata.items() if key != "managedFields"}
    if subject.object_namespace:
        kept["namespace"] = subject.object_namespace
    return {**subject.object, "metadata": kept}


def _fill(batch: Batch, waiting: Sequence[tuple[int, Asked]], limit: int) -> list[tuple[int, Asked]]:
    """Take what fits; what is left."""
    left: list[tuple[int, Asked]] = []
    taken: set[tuple[str, str, str, str]] = set()
    around: dict[str, Json | None] = {}
    size = 0
    for position, asked in waiting:
        subject = asked.subject
        name = subject.object_namespace or "default"
        identity = (subject.kind.api_version, subject.kind.kind.lower(), name, subject.name)
        size += len(subject.raw_object)
        full = len(batch.objects) >= limit or (size > MAX_BYTES and batch.objects)
        if full or identity in taken or around.get(name, asked.namespace) != asked.namespace:
            left.append((position, asked))
            continue
        taken.add(identity)
        around[name] = asked.namespace
        if asked.namespace is not None:
            batch.namespaces[name] = asked.namespace
        batch.positions.append(position)
        batch.objects.append(object_of(asked))
    return left
