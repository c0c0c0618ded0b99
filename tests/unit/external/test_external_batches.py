"""What objects read one by one, of a store that can be asked for several secrets at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.controllers.external.claims import Claims
from gateway.controllers.external.known import Known
from gateway.controllers.external.reading import Reading, Sources
from gateway.controllers.external.shared import Shared
from gateway.controllers.external.stores import Bounds, Stores
from gateway.kube import Key
from gateway_secrets.external.spec import StoreRef, external_of
from gateway_secrets.external.store import Store
from gateway_secrets.stores.credentials import NoCredentials
from gateway_secrets.stores.errors import NotFoundError
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Find, Metadata, Payload, Reference
from gateway_secrets.stores.reader import Reader


class Cloud:
    """Gives five secrets at a time, but for those that are not there."""

    provider = "vault"
    batch_size = 5

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    async def read(self, key: str, version: str, *, within: float) -> Payload:
        raise AssertionError("nothing is read by itself")

    async def read_many(self, keys: Sequence[str], *, within: float) -> Mapping[str, Any]:
        self.batches.append(list(keys))
        return {
            key: NotFoundError(key) if key.startswith("none") else Payload(key.encode(), version="7") for key in keys
        }

    async def describe(self, key: str, *, within: float) -> Metadata:
        raise NotImplementedError

    async def find(self, find: Find, *, within: float) -> Sequence[str]:
        raise NotImplementedError

    async def close(self) -> None:
        pass


class Journal:
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.noted: list[Mapping[str, Any]] = []

    async def note(self, detail: Mapping[str, Any], kind: str = "") -> None:
        self.noted.append(detail)


async def test_reads_of_several_objects_go_together() -> None:
    """Each is on record with its own outcome, for its own object; and a path that two of them read is read once."""
    cloud, journal, known = Cloud(), Journal(), Known(Claims())
    known.store_changed("SecretStore", Key("a", "vault"), {
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "vault", "namespace": "a"},
        "spec": {"controller": "govgate", "provider": {"vault": {"server": "https://vault", "path": "kv"}}},
    })  # fmt: skip

    async def opener(_store: Store, _namespace: str) -> Reader:
        return Reader(cloud, StoreLimits(gather_seconds=3_600.0))

    stores = Stores(NoCredentials(), Bounds(100.0), opener=opener)
    sources = Sources(known, stores, Shared(1 << 20, 1 << 20), journal, "tests", generators=None)  # type: ignore[arg-type]
    asked = []
    for name, keys in (("one", ("a", "b", "none")), ("two", ("c", "b", "d"))):
        external = external_of({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": name, "namespace": "a", "uid": name}, "spec": {"secretStoreRef": {"name": "vault"}},
        })  # fmt: skip
        reading = Reading(external, sources, lambda _: 0.0)
        asked += [reading.payload(StoreRef("vault"), Reference(key)) for key in keys]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [one.whole if isinstance(one, Payload) else type(one) for one in found] == [
        b"a", b"b", NotFoundError, b"c", b"b", b"d",
    ]  # fmt: skip
    assert [sorted(batch) for batch in cloud.batches] == [["a", "b", "c", "d", "none"]]
    noted = {(one["for"]["name"], one["key"]): (one["outcome"], one["version"]) for one in journal.noted}
    read = ("read", "7")
    assert noted == {
        ("one", "a"): read, ("one", "b"): read, ("one", "none"): ("notFound", ""),
        ("two", "b"): read, ("two", "c"): read, ("two", "d"): read,
    }  # fmt: skip
    await stores.close()
