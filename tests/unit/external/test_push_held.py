"""Which PushSecrets a change of a store concerns."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.controllers.external.push_held import held_push
from gateway_secrets.external.spec import StoreRef

Json = dict[str, Any]
US, THEM = {"of": "us"}, {"of": "them"}
CHOOSES = {"labelSelector": {"matchLabels": US}}
STORE = StoreRef("vault")


def document(*refs: Json, data_to: Any = None, noted: tuple[str, ...] = ()) -> Json:
    entry = {"k": {"match": {"remoteRef": {"remoteKey": "k"}}}}
    spec = {"secretStoreRefs": list(refs), "dataTo": data_to}
    metadata = {"name": "out", "namespace": "web"}
    return {"metadata": metadata, "spec": spec, "status": {"syncedPushSecrets": dict.fromkeys(noted, entry)}}


@pytest.mark.parametrize(
    ("made", "concerned"),
    [
        (document({"name": "vault"}), True),
        (document({"name": "vault", "kind": "ClusterSecretStore"}), False),
        (document({"name": "other"}), False),
        (document({"name": "other"}, noted=("SecretStore/vault",)), True),
        (document(CHOOSES), True),
        (document(CHOOSES | {"name": "other"}), False),
        (document({"name": "other"}, data_to=[{"storeRef": CHOOSES}]), True),
        (document("odd", {"name": 1}, data_to="odd"), False),  # type: ignore[arg-type]
    ],
)
def test_whom_a_store_that_changes_concerns(made: Json, concerned: bool) -> None:
    """Those that name it, choose it, or have stored something in it; whatever else is wrong with them."""
    held = held_push(made)
    assert held.concerned(STORE, US, THEM) is concerned
    assert held.concerned(STORE, THEM, US) is concerned


@pytest.mark.parametrize(
    ("ref", "before", "after", "otherwise"),
    [
        (CHOOSES, US, THEM, True),
        (CHOOSES, {}, US, True),
        (CHOOSES, US, US | {"tier": "1"}, False),
        (CHOOSES, {}, THEM, False),
        ({"name": "vault"}, US, THEM, False),
        (CHOOSES | {"kind": "ClusterSecretStore"}, US, THEM, False),
    ],
)
def test_whom_the_labels_of_a_store_concern(ref: Json, before: Json, after: Json, otherwise: bool) -> None:
    """Those that choose it by the ones and not by the others."""
    assert held_push(document(ref)).chooses_otherwise(STORE, before, after) is otherwise
