"""Leases of what Vault made: what is renewed, ended and made anew, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import Any, cast

import msgspec
import pytest
from support.external import external, external_secret

from gateway.controllers.external import endings, held
from gateway.controllers.external.bringing import Tools
from gateway.controllers.external.claims import Claims
from gateway.controllers.external.dynamic import Dynamics
from gateway.controllers.external.generators import Generators
from gateway.controllers.external.known import Known
from gateway.controllers.external.lease_book import LOOK_SECONDS
from gateway.controllers.external.looks import Outcome
from gateway.controllers.external.reading import Sources
from gateway.controllers.external.sessions import Generator
from gateway.controllers.external.tending import Tended
from gateway.controllers.external.worker import Worker
from gateway.core.errors import AuditError
from gateway.kube import Key
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.made import Made, Note, Replaced, note_name, note_of
from gateway_secrets.external.spec import ExternalSecret, GeneratorRef
from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    StoreError,
    UnavailableError,
    UnreadyError,
)
from gateway_secrets.stores.vault_dynamic import Generated
from gateway_secrets.stores.vault_dynamic_spec import Lease

KEY = b"of the tests"
BEGAN = 1_000.0
KEY_OF = Key("web", "db")
Json = dict[str, Any]


class Vault:
    """A generator that is open: notes what it is asked for, and answers with ``answers``, the first first."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.answers: list[Exception | None] = []
        self.leases: list[Lease] = []
        self.opened_anew = 0
        self.records: list[str] = []
        self.unwritable = 0
        self.events: list[Json] = []
        self.secret: Json | None = None

    def known(self, *_: str) -> Vault:
        return self

    async def failed(self, *_: Any) -> None:
        self.opened_anew += 1

    async def source(self, _: Generator) -> Vault:
        return self

    async def generate(self) -> Generated:
        """As many as there are ``leases``."""
        lease = self.leases.pop(0)
        return Generated({"user": lease.id.encode()}, lease)

    async def look(self, lease: Lease) -> None:
        self._answer("look", lease)

    async def renew(self, lease: Lease) -> Lease:
        self._answer("renew", lease)
        return Lease(lease.id, lease.ends + lease.seconds, lease.seconds, lease.renewable)

    async def revoke(self, lease: Lease) -> None:
        self._answer("revoke", lease)

    async def close(self) -> None:
        pass

    async def note(self, detail: Json, _: str) -> None:
        """As the journal."""
        if self.unwritable:
            self.unwritable -= 1
            raise AuditError("the log is full")
        self.records.append(detail["outcome"])

    async def create(self, path: str, document: Json) -> Json:
        """As the cluster."""
        self.events += [document] if path.endswith("/events") else []
        return document

    async def find(self, _: str) -> Json | None:
        return self.secret

    async def replace(self, _: str, document: Json) -> Json:
        return document

    def _answer(self, what: str, lease: Lease) -> None:
        self.asked.append((what, lease.id))
        error = self.answers.pop(0) if self.answers else None
        if error is not None:
            raise error


class World:
    """One ExternalSecret, its Vault, and the time."""

    def __init__(self, **spec: Any) -> None:
        self.entries = [{"sourceRef": {"generatorRef": {"kind": "VaultDynamicSecret", "name": "x"}}}]
        self.of: ExternalSecret = external(**{"dataFrom": self.entries, "refreshInterval": "1h"} | spec)
        self.vault = Vault()
        self.now = BEGAN
        all_of_it = cast("Any", self.vault)
        self.dynamics = Dynamics(
            all_of_it, all_of_it, all_of_it, _at_once, key=KEY, actor="tests", now=lambda: self.now
        )
        self.dynamics.grace = 0.0

    def secret(self, *made: Made, replaced: Sequence[Replaced] = ()) -> Json:
        note = note_of(Note(made, tuple(replaced)), self.of, KEY)
        return {"metadata": {"name": "db", "annotations": {note_name(self.of): note}}}

    def noted(self, secret: Json | None) -> Note:
        return self.dynamics.noted(self.of, secret)

    async def make(self, lease: str, *, seconds: float = 600.0, where: str = "spec.dataFrom[0]") -> Made:
        """Have one made, that no Secret has yet."""
        self.vault.leases = [Lease(lease, self.now + seconds, seconds, renewable=True)]
        meta = {"uid": "u", "generation": 1}
        provider = {"server": "https://vault.example.com", "auth": {"tokenSecretRef": {"name": "t", "key": "t"}}}
        spec = {"path": "database/creds/x", "provider": provider}
        generator = Generator(GeneratorRef("VaultDynamicSecret", "x"), "web", {"metadata": meta}, spec)
        kept, _ = await self.dynamics.values(generator, self.of, where, (), {})
        return kept.made

    async def tend(self, *made: Made) -> Tended:
        return await self.dynamics.tend(self.of, self.secret(*made))

    async def settle(self, after: Sequence[Made], lasts: int) -> list[str]:
        """The leases that are asked to be ended, when so many were, once the Secret holds nothing but these."""
        self.dynamics.settled(self.of, Note(tuple(after)))
        for _ in range(1_000):
            await asyncio.sleep(0)
            if len(self.revoked) >= lasts:
                break
        return self.revoked

    @property
    def revoked(self) -> list[str]:
        return [lease for what, lease in self.vault.asked if what == "revoke"]


async def _at_once() -> None:
    pass


@pytest.fixture
def world() -> World:
    return World()


async def test_what_the_secret_holds_is_never_ended(world: World) -> None:
    """What was made and is not in it is."""
    a = await world.make("a")
    assert await world.settle([a], 0) == []
    world.now += 3_600
    b = await world.make("b")
    assert b != a
    assert await world.settle([a], 1) == ["b"]


async def test_what_was_renewed_is_ended_when_it_is_replaced(world: World) -> None:
    """However long ago its lease would have ended without that."""
    a = await world.make("a")
    await world.settle([a], 0)
    world.now += 400
    await world.tend(a)
    assert world.vault.asked == [("renew", "a")]
    world.now += 400
    b = await world.make("b")
    assert await world.settle([b], 1) == ["a"]


@pytest.mark.parametrize(
    "error", [ForbiddenError("403"), UnreadyError("no token"), MisconfiguredError("400"), SpecError("gone")]
)
async def test_a_refusal_to_renew_may_pass(world: World, error: Exception) -> None:
    """It is tried again until the lease ends, with credentials that are read anew; and then replaced, not renewed."""
    a = await world.make("a")
    world.now += 400
    world.vault.answers = [error, None]
    tended = await world.tend(a)
    assert tended.made == (a,)
    assert tended.next_at is not None
    assert world.now < tended.next_at < BEGAN + 500
    assert world.vault.opened_anew == isinstance(error, StoreError)
    world.now = tended.next_at
    (renewed,) = (await world.tend(*tended.made)).made
    assert renewed.lease is not None
    assert renewed.lease.ends > BEGAN + 600


async def test_a_lease_that_has_ended_is_not_renewed_any_more() -> None:
    """Also where nothing takes its place: it is said, and not asked for again."""
    world = World(refreshPolicy="CreatedOnce")
    a = await world.make("a")
    world.now += 700
    world.vault.answers = [ForbiddenError("403")]
    tended = await world.tend(a)
    assert tended.next_at is None
    assert (await world.tend(*tended.made)).next_at is None
    assert len(world.vault.asked) == 1


@pytest.mark.parametrize("error", [ForbiddenError("403"), UnreadyError("no token"), UnavailableError("sealed")])
async def test_a_refusal_to_revoke_may_pass(world: World, error: StoreError, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again until the lease ends."""
    monkeypatch.setattr(endings, "AGAIN_SECONDS", 0.0)
    await world.make("a")
    world.vault.answers = [error, error, None]
    assert await world.settle([], 3) == ["a"] * 3


@pytest.mark.parametrize(
    ("error", "tries"), [(ForbiddenError("403"), 2), (UnreadyError("no token"), 1), (NotFoundError("no"), 1)]
)
async def test_a_deletion_waits_for_what_may_pass(world: World, error: StoreError, tries: int) -> None:
    """Not for credentials that are not there, which are deleted with it."""
    a = await world.make("a")
    world.vault.answers = [error, None]
    done = [await world.dynamics.let_go(world.of, world.secret(a), last=False) for _ in range(tries)]
    assert done == [False] * (tries - 1) + [True]
    assert [one["reason"] for one in world.vault.events] == ["LeaseNotRevoked"] * (tries == 1)


@pytest.mark.parametrize(
    "policy", [{"refreshPolicy": "CreatedOnce"}, {"refreshPolicy": "OnChange"}, {"refreshInterval": "0"}]
)
async def test_what_is_never_replaced_is_not_looked_for(policy: Json) -> None:
    """An entry that moved has no note under its new place: by such a policy that is no reason to look again and again."""
    entry = {"sourceRef": {"generatorRef": {"kind": "VaultDynamicSecret", "name": "x"}}}
    before = World(**policy)
    a = await before.make("a", seconds=1e6)
    after = World(**policy, dataFrom=[{"extract": {"key": "k"}}, entry])
    tended = await after.tend(a)
    assert tended.replaced_at is None
    assert tended.next_at == after.now + LOOK_SECONDS
    replacing = World(dataFrom=[{"extract": {"key": "k"}}, entry])
    assert (await replacing.tend(a)).replaced_at == replacing.now


async def test_what_is_due_and_cannot_be_done_is_no_time_to_look_again(world: World) -> None:
    """What is to come is: of leases, and of what replaces."""
    a = await world.make("a")
    world.now += 400
    world.vault.answers = [UnavailableError("sealed")]
    tended = await world.tend(a)
    assert tended.to_come == tended.next_at
    world.now += 150
    world.vault.answers = [UnavailableError("sealed")]
    tended = await world.tend(a)
    assert tended.next_at == tended.replaced_at == BEGAN + 500
    assert tended.to_come is not None
    assert tended.to_come > world.now


@pytest.mark.parametrize(
    "odd", [{"refreshInterval": "soon"}, {"refreshPolicy": "Never"}, {"target": {"name": "db", "immutable": True}}]
)
async def test_leases_are_renewed_while_their_external_secret_is_refused(world: World, odd: Json) -> None:
    """What was made before it was so is in use; and it is looked at again in time for the next renewal."""
    a = await world.make("a")
    document = external_secret(**{"data": [], "dataFrom": world.entries, "target": {"name": "db"}} | odd)
    document["metadata"] |= {"uid": world.of.uid, "generation": 2}
    known = Known(Claims())
    known.externals = {KEY_OF: held.external(document)}.get
    present = world.secret(a)
    present["metadata"] |= {"namespace": "web", "uid": "s", "resourceVersion": "1"}
    present["metadata"]["annotations"]["secrets.govgate.dev/record"] = "{}"
    known.secrets = {KEY_OF: held.secret(present)}.get
    known.generator_changed("VaultDynamicSecret", Key("web", "x"), "govgate")
    stand_in = cast("Any", world.vault)
    sources = Sources(known, stand_in, stand_in, stand_in, "tests", Generators(world.dynamics, Claims()))
    worker = Worker(Tools(stand_in, sources, stand_in, KEY, _at_once, now=lambda: world.now))
    world.now += 400
    result = await worker.sync(KEY_OF, lambda _: world.now)
    assert result.outcome is Outcome.REFUSED
    assert world.vault.asked == [("renew", "a")]
    assert result.again_in is not None
    assert 0 < result.again_in < 600


async def test_nothing_that_ends_is_made_for_a_secret_that_stays_as_it_is() -> None:
    """Also by a ClusterGenerator, which only says when it is run what it wraps."""
    world = World(target={"immutable": True})
    with pytest.raises(SpecError, match="immutable"):
        await world.make("a")
    assert len(world.vault.leases) == 1


async def test_what_is_to_come_of_what_a_secret_notes(world: World) -> None:
    """Where nothing could be asked: the next renewal; nothing, where that is over."""
    a = await world.make("a")
    assert world.dynamics.to_come(world.of, world.secret(a)) == a.renewed_at()
    world.now += 3_600
    assert world.dynamics.to_come(world.of, world.secret(a)) is None
    assert world.dynamics.to_come(world.of, None) is None


async def test_what_was_replaced_is_ended_after_a_while_by_whoever_looks(world: World) -> None:
    """Not at once: it may be in use. The Secret notes it, so that another process ends it, once."""
    a = await world.make("a")
    await world.settle([a], 0)
    secret = world.secret(a)
    tended = await world.dynamics.tend(world.of, secret)
    world.now += 3_600
    b = await world.make("b")
    world.dynamics.grace = 100.0
    a = msgspec.structs.replace(a, lease=Lease("a", world.now + 500, 600.0))
    secret["metadata"]["annotations"][note_name(world.of)] = world.dynamics.note(world.of, [b], Note((a,)))
    assert tended.made
    other = World()
    other.now = world.now
    tended = await other.dynamics.tend(other.of, secret)
    assert (other.revoked, tended.next_at) == ([], other.now + 100)
    other.now += 100
    tended = await other.dynamics.tend(other.of, secret)
    assert (other.revoked, tended.note) == (["a"], Note((b,)))
    assert other.noted(tended.present) == Note((b,))
    assert other.vault.records == ["revoking", "revoked"]


async def test_what_cannot_be_ended_yet_stays_noted(world: World) -> None:
    """It is tried again, not at once; when it has ended by itself it is not."""
    old = Replaced("VaultDynamicSecret/x", "u.1", Lease("old", world.now + 600, 600.0), world.now)
    secret = world.secret(replaced=[old])
    world.vault.answers = [ForbiddenError("403")]
    tended = await world.dynamics.tend(world.of, secret)
    assert tended.note.replaced == (old,)
    assert tended.to_come is not None
    assert world.now < tended.to_come < world.now + 600
    assert world.vault.records == ["revoking", "forbidden"]
    assert (await world.dynamics.tend(world.of, secret)).note.replaced == (old,)
    world.now += 600
    tended = await world.dynamics.tend(world.of, secret)
    assert (tended.note, world.noted(tended.present), len(world.revoked)) == (Note(), Note(), 1)


async def test_a_secret_that_is_deleted_does_not_take_its_leases_along() -> None:
    """Whoever has seen it knows what it noted: that is noted on the next one, or ended with the ExternalSecret."""
    a = await World().make("a")
    for deleted in (False, True):
        world = World()
        await world.tend(a)
        if deleted:
            assert await world.dynamics.let_go(world.of, None, last=False)
            assert world.revoked == ["a"]
            assert not world.dynamics.knows(world.of.uid)
        else:
            tended = await world.dynamics.tend(world.of, None)
            note = world.dynamics.note(world.of, [], tended.note)
            found = world.noted({"metadata": {"annotations": {note_name(world.of): note}}})
            assert [one.lease.id for one in found.replaced] == ["a"]
            assert world.revoked == []


async def test_what_a_secret_holds_after_all_is_not_ended(world: World) -> None:
    """Its note may have been read before it was written: what is to be ended by it is looked for once more."""
    a, b = await world.make("a"), await world.make("b", where="spec.dataFrom[1]")
    await world.settle([a, b], 0)
    world.dynamics.settled(world.of, Note((a,)))
    await world.tend(a, b)
    for _ in range(100):
        await asyncio.sleep(0)
    await world.dynamics.close()
    assert world.revoked == []


async def test_leases_of_one_that_is_no_more_are_ended(world: World) -> None:
    """Also if somebody took its finalizer away."""
    await world.tend(await world.make("a"))
    world.dynamics.gone(world.of)
    await asyncio.sleep(0)
    await world.dynamics.endings.close()
    assert set(world.revoked) == {"a"}
    assert not world.dynamics.knows(world.of.uid)


async def test_a_lease_in_use_is_asked_after_at_the_first_look() -> None:
    """One that is no more is replaced, and told of; who may not ask goes on as before."""
    world = World(refreshInterval="240h")
    a = await world.make("a", seconds=1e6)
    assert (await world.tend(a)).made == (a,)
    assert (await world.tend(a)).made == (a,)
    assert world.vault.asked == [("look", "a")]
    world.now += LOOK_SECONDS
    world.vault.answers = [ForbiddenError("403")]
    assert (await world.tend(a)).made == (a,)
    assert (world.vault.events, world.vault.opened_anew) == ([], 0)
    world.now += LOOK_SECONDS
    world.vault.answers = [UnavailableError("sealed")]
    tended = await world.tend(a)
    assert tended.next_at is not None
    assert world.now < tended.next_at < world.now + LOOK_SECONDS
    world.now = tended.next_at
    world.vault.answers = [NotFoundError("400 lease not found")]
    tended = await world.tend(a)
    assert (tended.made, tended.replaced_at) == ((), world.now)
    (told,) = world.vault.events
    assert (told["reason"], told["type"]) == ("LeaseLost", "Warning")
    assert "VaultDynamicSecret x made is no good any more, and another one is made" in told["message"]
    asked = len(world.vault.asked)
    assert (await world.tend(a)).made == ()
    assert (len(world.vault.asked), len(world.vault.events)) == (asked, 1)


@pytest.mark.parametrize("policy", [{"refreshPolicy": "CreatedOnce"}, {"refreshInterval": "0"}])
async def test_what_has_ended_and_is_not_replaced_is_told(policy: Json) -> None:
    """By the condition, with what to do; the Secret notes it, so that no look forgets it."""
    world = World(**policy)
    a = await world.make("a", seconds=1e6)
    world.vault.answers = [NotFoundError("400 lease not found")]
    tended = await world.tend(a)
    (ended,) = tended.made
    assert world.noted(tended.present).made == (ended,)
    said = world.dynamics.lost(world.of, tended.made)
    assert said.startswith("what VaultDynamicSecret x made has ended, and refresh")
    assert said.endswith("delete the Secret db, and another one is made")
    assert World(**policy).dynamics.lost(world.of, tended.made) == said
    assert world.dynamics.lost(world.of, [a]) == ""
    assert World().dynamics.lost(World().of, tended.made) == ""


async def test_what_cannot_be_recorded_is_ended_also_if_that_fails_at_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is the log that is named as the problem."""
    monkeypatch.setattr(endings, "AGAIN_SECONDS", 0.0)
    world.vault.unwritable = 1
    world.vault.answers = [UnavailableError("sealed"), None]
    with pytest.raises(AuditError):
        await world.make("a")
    assert await world.settle([], 2) == ["a", "a"]


async def test_at_the_end_what_nobody_has_is_ended(world: World) -> None:
    """And nothing else: neither what a Secret has, whoever was told of that, nor what it held until a moment ago."""
    await world.make("a")
    await world.dynamics.close()
    assert world.revoked == ["a"]
    other = World()
    b = await other.make("b")
    other.vault.secret = other.secret(b)
    await other.dynamics.close()
    assert other.revoked == []
    assert not other.dynamics.knows(other.of.uid)


async def test_at_the_end_what_was_written_stays_whatever_is_found_then(world: World) -> None:
    """Somebody who took the Secret away a moment ago may still use what it held."""
    a = await world.make("a")
    await world.settle([a], 0)
    await world.dynamics.close()
    assert world.revoked == []


def with_nothing_to_merge_into(world: World, now: Callable[[], float]) -> Worker:
    """Of one ExternalSecret, to be looked at each hour, whose Secret is somebody else's and is not there."""
    document = external_secret(data=[], dataFrom=world.entries, target={"name": "db", "creationPolicy": "Merge"})
    document["spec"] |= {"refreshInterval": "1h"}
    known = Known(Claims())
    known.externals = {KEY_OF: held.external(document)}.get
    known.generator_changed("VaultDynamicSecret", Key("web", "x"), "govgate")
    stand_in = cast("Any", world.vault)
    sources = Sources(known, stand_in, stand_in, stand_in, "tests", Generators(world.dynamics, Claims()))
    return Worker(Tools(stand_in, sources, stand_in, KEY, _at_once, now=now))


async def test_with_nothing_to_merge_into_nothing_is_made() -> None:
    """It is looked for before, and again when the ExternalSecret is due."""
    world = World(target={"name": "db", "creationPolicy": "Merge"})
    worker = with_nothing_to_merge_into(world, lambda: world.now)
    result = await worker.sync(KEY_OF, lambda _: world.now)
    assert result.outcome is Outcome.UNCHANGED
    assert result.again_in == pytest.approx(3_600, abs=1)
    assert (world.vault.asked, world.vault.records) == ([], [])


async def test_a_clock_that_is_set_back_during_a_look_puts_nothing_off() -> None:
    """The next look comes after the interval, and not when the clock is again where it was."""
    world = World(target={"name": "db", "creationPolicy": "Merge"})
    times = chain([world.now], repeat(world.now - 86_400))
    result = await with_nothing_to_merge_into(world, lambda: next(times)).sync(KEY_OF, lambda _: world.now)
    assert result.again_in == pytest.approx(3_600, abs=1)
