"""From ESO to govgate and back, as docs/migrating-external-secrets.md says: by one field of the store."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from support.cluster import wait_for
from support.external_site import EXTERNAL, SECONDS, Site
from support.planted import PLANTED

Json = dict[str, Any]
pytestmark = [pytest.mark.native, pytest.mark.usefixtures("running")]
DATA_HASH = "reconcile.external-secrets.io/data-hash"
ESO_FINALIZER = "externalsecrets.external-secrets.io/externalsecret-cleanup"


def left_by_eso(site: Site, **spec: Any) -> Json:
    """An ExternalSecret and its Secret as ESO leaves them; the Secret."""
    one = site.external(**spec)
    one["metadata"]["finalizers"] = [ESO_FINALIZER]
    external = site.api.create(one)
    owner = {
        "apiVersion": EXTERNAL[0], "kind": EXTERNAL[1], "name": "db", "uid": external["metadata"]["uid"],
        "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip
    meta = {
        "name": "db",
        "namespace": site.namespace,
        "labels": {"reconcile.external-secrets.io/managed": "true"},
        "annotations": {DATA_HASH: "0123456789abcdef"},
        "ownerReferences": [owner],
    }
    data = {"password": base64.b64encode(PLANTED.plant("one").encode()).decode()}
    return site.api.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data, "type": "Opaque"})


def test_there_and_back(site: Site) -> None:
    """The Secret is the same object with the same values, and says where it is from; given back, it is not touched any more."""
    site.store(controller="")
    site.put("db", password="one")
    before = left_by_eso(site)
    site.store()
    site.wait_values(password="one")
    after = site.secret()
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["ownerReferences"] == before["metadata"]["ownerReferences"]
    assert after["data"] == before["data"]
    annotations = after["metadata"]["annotations"]
    assert annotations[DATA_HASH] == "0123456789abcdef"
    assert annotations["secrets.govgate.dev/key"] == f"{site.namespace}/db"
    site.store(controller="")
    # Stores are told of in order: when one that came later is read, it is known that the first is another's.
    ours = Site(site.api, site.namespace, site.bao)
    ours.store_name = f"{site.store_name}-ours"
    ours.store()
    ours.create("later")
    ours.wait_values("later", password="one")
    site.api.patch(after, {"data": {"password": "eA=="}})
    ours.create("last")
    ours.wait_values("last", password="one")
    assert site.values() == {"password": "x"}
    site.store()
    site.wait_values(password="one")


def test_what_eso_left_on_it_does_not_hold_up_a_deletion(site: Site) -> None:
    """Its finalizer is taken away when an ExternalSecret that was taken over is deleted."""
    site.put("db", password="one")
    left_by_eso(site)
    site.wait_values(password="one")
    site.api.delete(site.api.get(*EXTERNAL, site.namespace, "db"))
    wait_for(
        lambda: not [one for one in site.api.list(*EXTERNAL, site.namespace) if one["metadata"]["name"] == "db"],
        seconds=SECONDS,
    )


def test_a_secret_that_eso_made_of_what_is_no_more(site: Site) -> None:
    """With deletionPolicy Delete it goes, though it bears no mark of govgate's yet."""
    site.store(controller="")
    left_by_eso(site, target={"deletionPolicy": "Delete"})
    site.store()
    wait_for(lambda: site.secret() is None and site.ready().get("reason") == "SecretDeleted", seconds=SECONDS)
