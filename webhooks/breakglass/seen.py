"""The grant that holds, and whose approval was seen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from gateway.core.errors import ClusterError
from gateway.core.finding import Finding
from gateway.core.guard import Indeterminate, OnError
from gateway.core.subject import Subject
from webhooks.breakglass.clock import Moment
from webhooks.breakglass.grant import Grant
from webhooks.breakglass.noted import NAME, Notes, noted
from webhooks.breakglass.using import GUARD, Choice, choose


async def seen(
    held: Iterable[Grant],
    subject: Subject,
    findings: Sequence[Finding],
    now: Moment,
    notes: Notes,
    *,
    most: int,
    seconds: float,
) -> tuple[Choice, Indeterminate | None]:
    """The first that covers the request and was seen; and why that is not known.

    Notes are read once, within ``seconds``, however many grants nobody saw. ``most``: as :func:`choose` has it.
    """
    left = [*held]
    unseen: list[str] = []
    read: Mapping[str, str] | None = None
    while True:
        choice = choose(left, subject, findings, now, most=most)
        grant = choice.grant
        if grant is None:
            return Choice(idle=(*unseen, *choice.idle)), None
        if read is None:
            try:
                async with asyncio.timeout(max(0.0, seconds)):
                    read = await notes.read()
            except TimeoutError:
                return Choice(), doubt_of(grant, "whether its approval was seen is not known: the deadline passed")
            except ClusterError as error:
                return Choice(), doubt_of(grant, f"whether its approval was seen is not known: {error}")
        if noted(grant, read):
            return choice, None
        unseen.append(
            f"{grant.id} covers this, but no gateway saw its approval being written, or its note was removed (ConfigMap "
            f"{NAME}): ask for another one, have it approved, and find out who wrote that"
        )
        left.remove(grant)


def doubt_of(grant: Grant, why: str) -> Indeterminate:
    """A grant covers the request, and yet it is not known whether it lets it through."""
    return Indeterminate(GUARD, f"{grant.id} covers this, but {why}", OnError.ALLOW)
