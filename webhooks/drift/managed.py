"""managedFields: who wrote which fields of an object, as the API server recorded it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec

from gateway.core.errors import UndecidedError
from gateway.core.subject import Json
from webhooks.drift.fields import FieldsV1
from webhooks.drift.paths import OWNER_REFERENCES, Path


class Entry(msgspec.Struct, frozen=True):
    """One entry of ``metadata.managedFields`` for the object itself (not for a subresource)."""

    manager: str
    operation: str
    api_version: str
    fields: FieldsV1

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells entries apart."""
        return (self.manager, self.operation, self.api_version)


def metadata(obj: Json) -> Json:
    """The object's metadata, empty if it has none worth the name."""
    found = obj.get("metadata")
    return found if isinstance(found, dict) else {}


def string_map(obj: Json, name: str) -> dict[str, Any]:
    """``metadata.labels`` or ``metadata.annotations``."""
    found = metadata(obj).get(name)
    return found if isinstance(found, dict) else {}


def entries(obj: Json) -> list[Entry]:
    """The object's entries, subresources left out.

    Raises:
        UndecidedError: managedFields is not what an API server writes.
    """
    listed = metadata(obj).get("managedFields")
    if listed is None:
        return []
    if not isinstance(listed, list):
        raise UndecidedError("metadata.managedFields is not a list")
    found = []
    for item in listed:
        if not isinstance(item, dict):
            raise UndecidedError("metadata.managedFields has an entry that is not an object")
        if item.get("subresource"):
            continue
        fields = item.get("fieldsV1") or {}
        if not isinstance(fields, dict):
            raise UndecidedError("metadata.managedFields has an entry without FieldsV1")
        found.append(
            Entry(str(item.get("manager", "")), str(item.get("operation", "")), str(item.get("apiVersion", "")), fields)
        )
    return found


class Managers(Collection[str]):
    """Names of field managers; one that ends in ``*`` stands for all that begin so."""

    def __init__(self, names: Iterable[str]) -> None:
        listed = tuple(names)
        self._names = frozenset(name for name in listed if not name.endswith("*"))
        self._prefixes = tuple(name[:-1] for name in listed if name.endswith("*"))

    def __contains__(self, name: object) -> bool:
        return name in self._names or (bool(self._prefixes) and str(name).startswith(self._prefixes))

    def __iter__(self) -> Iterator[str]:
        return iter((*self._names, *(f"{prefix}*" for prefix in self._prefixes)))

    def __len__(self) -> int:
        return len(self._names) + len(self._prefixes)


def by(managers: Collection[str], listed: list[Entry]) -> list[Entry]:
    """The entries of these managers."""
    return [entry for entry in listed if entry.manager in managers]


def owns(entry: Entry, path: Path) -> bool:
    """Whether the entry has this very path."""
    node: Any = entry.fields
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
        if node is None:
            return False
    return True


def has_controller(obj: Json) -> bool:
    """Whether another object controls this one (an ownerReference with ``controller: true``)."""
    return bool(controller_of(obj))


def controller_of(obj: Json) -> Json:
    """The ownerReference with ``controller: true``, empty if nothing controls the object."""
    return next((reference for reference in owners(obj) if reference.get("controller") is True), {})


def owners(obj: Json) -> list[Json]:
    """All ownerReferences that are worth the name."""
    references = metadata(obj).get("ownerReferences")
    return [one for one in references if isinstance(one, dict)] if isinstance(references, list) else []


def reference_path(reference: Json) -> Path:
    """Where an ownerReference stands: FieldsV1 names it by its uid."""
    uid = reference.get("uid")
    return (*OWNER_REFERENCES, "k:" + msgspec.json.encode({"uid": uid if isinstance(uid, str) else ""}).decode())
