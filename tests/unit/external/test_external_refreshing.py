"""How old values may be, and how often stores and objects are looked at, over simulated time."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.external import Words, external_secret

from gateway.controllers.external import held
from gateway.controllers.external.agenda import Agenda
from gateway.controllers.external.claims import Claims
from gateway.controllers.external.held import Held
from gateway.controllers.external.known import Known
from gateway.controllers.external.reading import Reading, Sources, paths_of
from gateway.controllers.external.refreshing import Refresher
from gateway.controllers.external.shared import Path, Shared
from gateway.controllers.external.uses import Reads, Uses
from gateway.controllers.external.windows import due, good_since, window_end
from gateway.kube import Key
from gateway_secrets.external.collect import collect
from gateway_secrets.external.spec import external_of
from gateway_secrets.stores.errors import NotFoundError
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Find, Metadata, Payload
from gateway_secrets.stores.reader import Reader

BEGAN = 1_000_000.0
STORE = {
    "metadata": {"name": "vault", "namespace": "web", "uid": "s", "generation": 1},
    "spec": {"controller": "govgate", "provider": {"vault": {}}},
}


class Kept:
    """A store in memory, which counts what it is asked."""

    provider = "vault"

    def __init__(self, world: World) -> None:
        self._world = world

    async def read(self, key: str, version: str, *, within: float) -> Payload:
        self._world.reads.append((key, self._world.now))
        if key not in self._world.versions:
            raise NotFoundError(f"{key}: not there")
        number = self._world.versions[key]
        return Payload(str(number).encode(), version=str(number) if self._world.numbered else "")

    async def find(self, find: Find, *, within: float) -> Sequence[str]:
        self._world.reads.append((f"{find.path}*", self._world.now))
        return sorted(key for key in self._world.versions if key.startswith(find.path))

    async def describe(self, key: str, *, within: float) -> Metadata:
        raise NotImplementedError

    async def close(self) -> None:
        pass


class World:
    """Objects, and the time that passes for them: what is due is done in the moment it is due."""

    def __init__(self, specs: Mapping[str, Any], interval: float, *, numbered: bool) -> None:
        self.now, self.interval, self.numbered = BEGAN, interval, numbered
        self.versions: dict[str, int] = {}
        self.reads: list[tuple[str, float]] = []
        self.looks: Counter[Key] = Counter()
        self.records: list[Mapping[str, Any]] = []
        self.values: dict[Key, dict[str, bytes]] = {}
        self._again: dict[Key, float] = {}
        self._objects = {Key("web", name): held.external(external_secret(name, **spec)) for name, spec in specs.items()}
        self.uses = Uses()
        self.known = Known(Claims())
        self.known.store_changed("SecretStore", Key("web", "vault"), held.store(STORE))
        self.known.externals = self._external
        shared = Shared(10**6, 10**6, clock=lambda: self.now)
        self.reader = Reader(Kept(self), StoreLimits(requests_per_second=10**6, burst_requests=10**6))
        self.sources = Sources(self.known, self, shared, self, "tests", self)  # type: ignore[arg-type]
        self.refresher = Refresher(self.sources, self.uses, lambda _: None)
        self.agenda = Agenda()
        self.uses.appeared = lambda group: self.agenda.put(group, self.now, self.now)

    async def ask(self, store: Any, namespace: str, question: Any, *, about: str) -> Any:
        return await question(self.reader)

    async def note(self, detail: Mapping[str, Any], kind: str = "") -> None:
        self.records.append(detail)

    async def look(self, key: Key) -> None:
        """As a worker does: read, and come again at the end of the window."""
        self.looks[key] += 1
        external = external_of(self._objects[key].document)
        paths = paths_of(external.spec, self.known, "web")
        reading = Reading(external, self.sources, lambda path: good_since(path, self.interval, self.now))
        self.values[key] = (await collect(external.spec, reading, Words())).data  # type: ignore[arg-type]
        self.uses.note(key, Reads({**paths, **reading.paths}, reading.stamps, self.interval, whole=True))
        again = due(paths, self.interval, self.now)
        assert again is not None
        self._again[key] = again

    async def begin(self) -> None:
        for key in self._objects:
            await self.look(key)

    async def until(self, moment: float) -> None:
        """Let time pass."""
        while (at := min([*self._again.values(), self.agenda.next or math.inf])) <= moment:
            self.now = max(self.now, at)
            group = self.agenda.take(self.now)
            if group is not None:
                for key in await self.refresher.refresh(group, self.now):
                    await self.look(key)
                if self.uses.followers(group):
                    self.agenda.put(group, self.now, self.now)
                continue
            for key in [key for key, again in self._again.items() if again <= self.now]:
                await self.look(key)
        self.now = moment

    def _external(self, key: Key) -> Held | None:
        return self._objects.get(key)


OBJECTS = st.lists(
    st.tuples(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True), st.booleans()),
    min_size=1,
    max_size=4,
)
CHANGES = st.lists(st.tuples(st.floats(0, 3), st.sampled_from([*"abcdef", "m-1", "m-2", "m-3"])), max_size=5)


@given(OBJECTS, CHANGES, st.booleans(), st.sampled_from([60.0, 3600.0]))
def test_no_value_is_older_than_the_interval_and_none_is_read_twice_in_a_window(
    objects: list[tuple[list[str], bool]], changes: list[tuple[float, str]], numbered: bool, interval: float
) -> None:
    """Of what is named and of what a search finds, with and without versions; each object is looked at once in an interval, and
    once more for each change.
    """
    specs = {
        f"o{number}": {
            "data": [{"secretKey": f"own-{key}", "remoteRef": {"key": key}} for key in keys],
            **({"dataFrom": [{"find": {"path": "m-"}}]} if find else {}),
        }
        for number, (keys, find) in enumerate(objects)
    }
    world = World(specs, interval, numbered=numbered)
    world.versions = dict.fromkeys([*"abcdef", "m-1", "m-2"], 1)
    past: list[tuple[float, dict[str, int]]] = [(-math.inf, dict(world.versions))]

    async def pass_time() -> None:
        await world.begin()
        moments = sorted((BEGAN + at * interval, key) for at, key in changes)
        for moment, key in moments:
            await world.until(moment)
            check(moment)
            world.versions[key] = world.versions.get(key, 0) + 1
            past.append((moment, dict(world.versions)))
        for part in range(1, 8):
            moment = BEGAN + (3 + part / 2) * interval
            await world.until(moment)
            check(moment)

    def check(moment: float) -> None:
        before = [versions for at, versions in past if at <= moment - interval]
        within = [versions for at, versions in past if at > moment - interval]
        for key, values in world.values.items():
            keys, find = objects[int(key.name[1:])]
            allowed = [before[-1], *within]
            for name in keys:
                assert values[f"own-{name}"] in {str(versions[name]).encode() for versions in allowed}
            for name in ("m-1", "m-2", "m-3") if find else ():
                assert values.get(name) in {_bytes(versions.get(name)) for versions in allowed}

    asyncio.run(pass_time())
    windows = Counter((key, window_end(path, interval, at)) for key, at in world.reads for path in _paths(world, key))
    assert max(windows.values()) == 1
    assert max(world.looks.values()) <= 8 + len(changes)


def _bytes(version: int | None) -> bytes | None:
    return None if version is None else str(version).encode()


def _paths(world: World, key: str) -> list[Path]:
    """The path of a key."""
    store = world.known.store(external_of(external_secret()).spec.secret_store_ref, "web")
    identity = store.identity("web")
    if key.endswith("*"):
        return [(*identity, "find", key[:-1], "", "{}")]
    return [(*identity, "key", key, "", "None")]


async def test_what_was_read_in_the_window_serves_the_group_as_well() -> None:
    """Whoever read it, and a little earlier; what was said to be outdated since then is read again."""
    specs = {"o0": {"data": [{"secretKey": f"own-{key}", "remoteRef": {"key": key}} for key in "ab"]}}
    world = World(specs, 3600.0, numbered=True)
    world.versions = {"a": 1, "b": 1}
    await world.begin()
    group = world.agenda.take(math.inf)
    assert group is not None
    path, interval = group
    ends = window_end(path, interval, world.now)
    world.now = ends + 1.0
    await world.look(Key("web", "o0"))
    count = len(world.reads)
    assert await world.refresher.refresh(group, ends + 2.0) == []
    assert len(world.reads) == count
    world.now, world.versions["b"] = ends + 4.0, 2
    world.uses.outdate(path, ends + 3.0)
    assert await world.refresher.refresh(group, ends + 4.0) == [Key("web", "o0")]
    assert await world.refresher.refresh(group, ends + 4.0) == []
    del world.versions["b"]
    world.now = ends + 3600.0
    assert await world.refresher.refresh(group, world.now) == [Key("web", "o0")]


async def test_looks_and_records_of_an_object_with_many_paths() -> None:
    """In an interval it is looked at once; each path is on record as it is read, and as it is used."""
    specs = {"o0": {"data": [{"secretKey": f"own-{n}", "remoteRef": {"key": f"k{n}"}} for n in range(16)]}}
    world = World(specs, 3600.0, numbered=True)
    world.versions = {f"k{n}": 1 for n in range(16)}
    await world.begin()
    await world.until(BEGAN + 7200.0)
    world.records.clear()
    world.reads.clear()
    looks = world.looks.total()
    await world.until(BEGAN + 10_800.0)
    assert world.looks.total() - looks == 1
    assert len(world.reads) == 16
    assert len(world.records) == 31
