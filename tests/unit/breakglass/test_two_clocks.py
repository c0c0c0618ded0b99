"""No clock that is wrong ends a grant for good, and none prolongs one."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.grants import NOW, grant_object

from gateway.config.breakglass import BreakGlass
from gateway.core.errors import ClusterError
from webhooks.breakglass.clock import APART, FRESH_SECONDS, Clocks, Moment
from webhooks.breakglass.grant import Acknowledged, Approval, Grant, Status, Target, Use, read_grant, spec_digest
from webhooks.breakglass.record import CLOCKS_APART, is_loss
from webhooks.breakglass.rules import violations
from webhooks.breakglass.using import why_not
from webhooks.breakglass.writer import Writer

DAY, MINUTE, SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)
BOB, GATEWAY = "bob@example.com", "system:serviceaccount:govgate-system:govgate"


class World:
    """True time, and two clocks that may show another."""

    def __init__(self) -> None:
        self.true = NOW
        self.own, self.server = timedelta(), timedelta()
        self.asked, self.answers = 0, True
        self.clocks = Clocks(lambda: self.true + self.own, self.ask, steady=self._steady)

    def _steady(self) -> float:
        return (self.true - NOW).total_seconds()

    async def ask(self) -> str:
        self.asked += 1
        if not self.answers:
            raise ClusterError("nobody there")
        return format_datetime(self.true + self.server)

    async def after(self, passed: timedelta) -> Moment:
        self.true += passed
        return await self.clocks.fresh()


def approved(**spec: object) -> Grant:
    grant = read_grant(grant_object(**spec))
    return msgspec.structs.replace(grant, status=Status(approval=Approval(BOB, spec_digest(grant.spec))))


async def test_a_clock_that_jumps_ahead_ends_nothing_for_good() -> None:
    """Meanwhile the grant helps nobody, and that says why; once the clock is right again it holds."""
    world, grant = World(), approved()
    await world.clocks.read()
    world.own = DAY
    moment = await world.clocks.read()
    assert grant.state(moment.latest) == "expired"
    assert not moment.is_past(grant.spec.expires)
    assert "do not agree" in why_not(grant, moment)
    assert "86400 s ahead of the API server's" in world.clocks.problem()
    world.own = timedelta()
    moment = await world.clocks.read()
    assert grant.state(moment.latest) == "active"
    assert world.clocks.problem() == ""


async def test_a_clock_that_is_set_back_prolongs_nothing() -> None:
    """Whichever of the two; and if both are, this process still knows what time it was."""
    grant = approved()
    for own, server in ((-DAY, timedelta()), (timedelta(), -DAY), (-DAY, -DAY)):
        world = World()
        await world.clocks.read()
        world.own, world.server = own, server
        for passed in (timedelta(hours=1) + MINUTE, MINUTE, MINUTE):
            moment = await world.after(passed)
            assert grant.state(moment.latest) == "expired"
            assert not moment.is_past(grant.spec.expires)


async def test_what_is_written_down_and_remembered() -> None:
    """Uses are dated by one's own clock, or by the API server's where that is wrong; what no two clocks said is forgotten."""
    world, grant = World(), approved()
    world.own = 30 * SECOND
    assert (await world.after(MINUTE)).now == world.true + world.own
    world.own = DAY
    assert abs((await world.after(MINUTE)).now - world.true) <= SECOND
    world.server = 2 * DAY
    assert (await world.after(MINUTE)).earliest > grant.spec.expires
    world.own = world.server = timedelta()
    assert grant.state((await world.after(MINUTE)).latest) == "active"


async def test_a_measure_of_durations_that_runs_fast_ends_nothing_too_early() -> None:
    """Both clocks are right, for months: nothing of what was seen before is ahead of them."""
    world = World()
    clocks = Clocks(lambda: world.true, world.ask, steady=lambda: (world.true - NOW).total_seconds() * 1.0005)
    for _ in range(90):
        world.true += DAY
        moment = await clocks.fresh()
    assert moment.latest - world.true <= SECOND


OFFSETS = st.sampled_from([-DAY, -2 * MINUTE, -MINUTE, timedelta(), 30 * SECOND, 5 * MINUTE, DAY])


@given(st.lists(st.tuples(st.booleans(), OFFSETS, st.integers(0, 1500)), min_size=1, max_size=12))
def test_while_one_clock_is_right(steps: list[tuple[bool, timedelta, int]]) -> None:
    """Whatever the other shows: the grant never holds too long, and nothing is final too early."""
    world, ends = World(), NOW + timedelta(hours=1)

    async def run() -> None:
        for which, offset, seconds in steps:
            world.own, world.server = (offset, timedelta()) if which else (timedelta(), offset)
            moment = await world.after(timedelta(seconds=seconds))
            assert not (moment.latest < ends <= world.true)
            assert not moment.is_past(world.true + 2 * SECOND)

    asyncio.run(run())


async def test_what_both_say_is_final() -> None:
    """A grant whose time is over by both clocks, which agree, is written expired; by one that was never compared it is not."""
    world, ends = World(), NOW + timedelta(hours=1)
    world.own = APART / 2
    assert not (await world.after(timedelta(hours=1) - SECOND)).is_past(ends)
    assert (await world.after(2 * SECOND)).is_past(ends)
    alone = await Clocks(lambda: NOW + DAY, None).read()
    assert not alone.is_past(ends)


async def test_the_server_is_asked_seldom_and_what_it_said_is_carried_on() -> None:
    """Once a minute; where it does not answer any more, by the clock of durations; where it never did nothing is known."""
    world = World()
    for _ in range(3):
        await world.clocks.read()
    assert world.asked == 1
    world.true += timedelta(seconds=FRESH_SECONDS)
    world.answers, world.own = False, -DAY
    moment = await world.clocks.read()
    await world.clocks.read()
    assert world.asked == 2
    assert abs(moment.latest - world.true) <= SECOND
    silent = World()
    silent.answers = False
    with pytest.raises(ClusterError, match="time is not known: nobody there"):
        await silent.clocks.read()
    silent.answers = True
    with pytest.raises(ClusterError):  # not at every request
        await silent.clocks.read()
    silent.true += timedelta(seconds=5)
    assert (await silent.clocks.read()).agreed


@pytest.mark.parametrize("said", ["", "soon", "Thu, 99 Nov 2026 12:00:00 GMT"])
async def test_an_answer_without_a_time(said: str) -> None:
    """Is none."""

    async def ask() -> str:
        return said

    with pytest.raises(ClusterError, match="no Date"):
        await Clocks(lambda: NOW, ask).read()


def between(earliest: datetime, latest: datetime) -> Moment:
    return Moment(earliest, latest, earliest, agreed=False)


def refused(old: Grant | None, new: Grant | None, who: Writer, now: Moment) -> str:
    return "; ".join(one.text for one in violations(old, new, who, now, BreakGlass()))


def test_rules_hold_by_the_stricter_clock() -> None:
    """A clock that is ahead lets nobody ask for longer; one that is behind lets nobody ask, approve or end too late or early."""
    alice, bob = Writer("alice@example.com", may_request=True), Writer(BOB, may_approve=True)
    ahead, behind = between(NOW, NOW + DAY), between(NOW - DAY, NOW)
    far = read_grant(grant_object(expires=NOW + DAY + MINUTE))
    assert "at most 240 minutes" in refused(None, far, alice, ahead)
    past = read_grant(grant_object(expires=NOW - MINUTE))
    assert "in the past" in refused(None, past, alice, behind)
    granted = msgspec.structs.replace(past, status=approved(expires=NOW - MINUTE).status)
    assert "it is expired" in refused(past, granted, bob, behind)
    gateway = Writer(GATEWAY, gateway=True)
    grant = approved()
    ended = msgspec.structs.replace(grant, status=msgspec.structs.replace(grant.status, expired=True))
    assert "for the gateway to say" in refused(grant, ended, gateway, ahead)
    assert refused(grant, ended, gateway, Moment.exactly(grant.spec.expires)) == ""


def test_a_record_stays_while_one_clock_says_that_the_grant_holds() -> None:
    """It may be used there still: neither deleted nor taken note of, until it is revoked, which no clock has a part in."""
    use = Use("u", NOW, "alice@example.com", "UPDATE", Target("Deployment", "web", "apps/v1", "shop"))
    grant = approved(maxUses=2)
    grant = msgspec.structs.replace(grant, status=msgspec.structs.replace(grant.status, used=1, uses=(use,)))
    ahead, bob = between(NOW, NOW + DAY), Writer("carol@example.com", may_approve=True)
    status = msgspec.structs.replace(grant.status, acknowledged=Acknowledged("carol@example.com", "given up"))
    assert "revoke it first" in refused(grant, None, bob, ahead)
    assert "revoke it first" in refused(grant, msgspec.structs.replace(grant, status=status), bob, ahead)
    assert not is_loss(grant, None, ahead)
    again = (use, msgspec.structs.replace(use, id="v"))
    counted = msgspec.structs.replace(grant, status=msgspec.structs.replace(grant.status, used=2, uses=again))
    assert refused(grant, counted, Writer(GATEWAY, gateway=True), ahead) == ""
    ended = Moment.exactly(grant.spec.expires)
    assert refused(grant, counted, Writer(GATEWAY, gateway=True), ended) == ""  # by another gateway's clock it may hold
    late = Moment.exactly(grant.spec.expires + CLOCKS_APART)
    assert "does not hold" in refused(grant, counted, Writer(GATEWAY, gateway=True), late)
