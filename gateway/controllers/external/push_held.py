"""What is held of PushSecrets, and which stores concern one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.controllers.external.held import stranger_of, was_ours
from gateway_secrets.external.push_spec import API_VERSION, KIND, PushStore
from gateway_secrets.external.push_status import noted_stores
from gateway_secrets.external.spec import StoreRef, without_nulls

Json = dict[str, Any]
Labels = Mapping[str, str]


class HeldPush(msgspec.Struct, frozen=True):
    """A PushSecret. ``trigger``: of what it does is decided. ``named``: the stores that it names; ``chosen``: those that it
    chooses by labels; ``noted``: those that it says it stored in. ``stranger``: who else wrote its status after govgate did.
    ``ours``: nobody did, and govgate did.
    """

    text: bytes
    trigger: bytes
    named: tuple[StoreRef, ...] = ()
    chosen: tuple[PushStore, ...] = ()
    noted: tuple[StoreRef, ...] = ()
    stranger: str = ""
    stranger_at: str = ""
    ours: bool = False

    @property
    def document(self) -> Json:
        """Decoded: a copy of the reader's own."""
        found: Json = msgspec.json.decode(self.text)
        return found

    def concerned(self, ref: StoreRef, before: Labels | None, after: Labels | None) -> bool:
        """Whether it is of concern that a store came, changed, or went, which had, and has, these labels."""
        if ref in self.named or ref in self.noted:
            return True
        return any(one.means(ref, _own(labels)) for one in self.chosen for labels in (before, after))

    def chooses_otherwise(self, ref: StoreRef, before: Labels, after: Labels) -> bool:
        """Whether a store is chosen with some labels and not with others."""
        return any(one.means(ref, _own(before)) != one.means(ref, _own(after)) for one in self.chosen)


def held_push(document: Json) -> HeldPush:
    """Of a PushSecret. Which stores it means is read here leniently: whether it is right is decided later."""
    metadata = document["metadata"]
    managed = metadata.pop("managedFields", None)
    parts = [metadata.get(name) for name in ("generation", "labels", "annotations", "deletionTimestamp")]
    whole = document | {"apiVersion": API_VERSION, "kind": KIND}
    spec = document.get("spec")
    named, chosen = stores_meant(spec if isinstance(spec, dict) else {})
    return HeldPush(
        msgspec.json.encode(whole),
        msgspec.json.encode(parts),
        named,
        chosen,
        tuple(noted_stores(document.get("status"))),
        *stranger_of(managed),
        ours=was_ours(managed),
    )


def stores_meant(spec: Json) -> tuple[tuple[StoreRef, ...], tuple[PushStore, ...]]:
    """The stores that a spec names, and those that it chooses by labels, as far as it can be read."""
    stores = list(_stores(spec))
    named = dict.fromkeys(StoreRef(one.name, one.kind) for one in stores if one.name)
    return tuple(named), tuple(one for one in stores if not one.name)


def _stores(spec: Json) -> Iterator[PushStore]:
    refs, every = spec.get("secretStoreRefs"), spec.get("dataTo")
    found = list(refs) if isinstance(refs, list) else []
    found += [one.get("storeRef") for one in every if isinstance(one, dict)] if isinstance(every, list) else []
    for one in found:
        try:
            yield msgspec.convert(without_nulls(one), PushStore)
        except msgspec.ValidationError:
            continue


def _own(labels: Labels | None) -> dict[str, str] | None:
    return dict(labels) if labels is not None else None
