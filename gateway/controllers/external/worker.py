"""One ExternalSecret brought in sync: looked at, read if it has to be, written if it is not as it shall be.

What is written states the version that was looked at; if that was not the newest, the server refuses, and it is decided
anew with the newest, and with the same values. So a process may end at any moment: the Secret is the old or the new one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from gateway.controllers.external.claims import alone_in
from gateway.controllers.external.documents import secret_data, template_documents
from gateway.controllers.external.failing import Failing
from gateway.controllers.external.held import SECRETS, Held, Json, refs_of
from gateway.controllers.external.leaving import Leaving, leaves, read_loosely
from gateway.controllers.external.reading import Reading, Since, Sources, paths_of
from gateway.controllers.external.shared import Path
from gateway.controllers.external.telling import Teller
from gateway.controllers.external.tending import Tended
from gateway.controllers.external.uses import Reads, Stamp, key_of_path, policy_of_path
from gateway.controllers.external.windows import due, good_since
from gateway.core.errors import AuditError, ClusterError
from gateway.kube import ApiError, Key, KubeClient, is_outdated
from gateway.kube.discovery import Pace
from gateway_secrets.external.collect import MAX_SOURCES, Values, collect
from gateway_secrets.external.content import content_of
from gateway_secrets.external.errors import ExternalError
from gateway_secrets.external.faults import refusal, remarks
from gateway_secrets.external.made import Note
from gateway_secrets.external.record import annotations_of, intact, prefix_of
from gateway_secrets.external.renderer import Renderer
from gateway_secrets.external.spec import ExternalSecret, Spec, external_of
from gateway_secrets.external.status import read_at, read_needed, ready_of
from gateway_secrets.external.target import NOT_THERE, Action, Decision, Intent, is_owner, plan, plan_empty, refused
from gateway_secrets.external.validate import LEAST_REFRESH_SECONDS, faults
from gateway_secrets.stores.errors import StoreError

_NOT_FOUND, _CONFLICT = 404, 409
_INVALID = 422
_REFUSALS = frozenset((400, 403, 413, _INVALID))
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')
_TRIES = 4


class Outcome(StrEnum):
    """What became of an object. ``waiting``: it comes again, since something is not there yet. ``failed``: the API server did
    not do what was asked of it.
    """

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    WAITING = "waiting"
    FAILED = "failed"
    UNCLAIMED = "unclaimed"
    GONE = "gone"


class Result(msgspec.Struct, frozen=True):
    """``again_in``: seconds until it is looked at again, None: when something changes; where it is not in sync, at the latest. ``problem``: why it is not in sync.
    ``reads``: what it reads, as far as that is known; ``partial``: something that it reads may only be known when it is read.
    ``anew``: where it is not in sync, what the next look must read anew; None: all.
    """

    outcome: Outcome
    again_in: float | None = None
    problem: str = ""
    reads: Reads = Reads()
    partial: bool = False
    anew: frozenset[Path] | None = None


class Tools(msgspec.Struct, frozen=True):
    """What all looks share. ``key``: of marks; ``least_refresh``: seconds between two refreshes; ``now``: the clock, seconds
    since the epoch.
    """

    client: KubeClient
    sources: Sources
    renderer: Renderer
    key: bytes
    pace: Pace
    least_refresh: float = LEAST_REFRESH_SECONDS
    now: Callable[[], float] = time.time


class Worker:
    """Brings objects in sync, several at a time."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._teller = Teller(tools.client, tools.pace, tools.now)
        self._known = tools.sources.known
        self._failing = Failing()
        self._dynamics = tools.sources.generators.dynamics
        self._leaving = Leaving(tools.client, self._known, self._dynamics, tools.pace, tools.now)

    async def sync(self, key: Key, since: Since, *, told: bool = False) -> Result:
        """Bring one in sync. ``since``: what is read of a path must have been read then, or later. ``told``: that what it reads
        has changed.

        Raises:
            ClusterError: the API server could not be asked, or what was looked at is outdated.
        """
        held = self._known.externals(key)
        if held is None:
            self._failing.passed(key)
            return Result(Outcome.GONE)
        document = held.document
        if not self._known.claimed(key, held) and not leaves(held):
            wait = self._alone_in(key, held, document)
            if wait is None or wait > 0:
                self._failing.passed(key)
                self._dynamics.forget(held.uid)
                return Result(Outcome.UNCLAIMED, wait)
        if document["metadata"].get("deletionTimestamp"):
            gone = await self._leaving.let_go(key, held, document)
            return Result(
                Outcome.GONE if gone else Outcome.WAITING, problem="" if gone else "its leases are not ended yet"
            )
        found = faults(document, least_refresh=self._tools.least_refresh)
        problem = refusal(found)
        if problem:
            return await self._refused(key, document, problem)
        external = external_of(document)
        try:
            document = await self._leaving.guarded(key, held, document)
            result = await self._one(key, document, external, since, told=told, remark=remarks(found))
        except ClusterError as error:
            if not self._failing.lasts(key, error):
                raise
            await self._teller.say(key, document, external, refused(str(error)), read=False)
            paths = paths_of(external.spec, self._known, key.namespace)
            reads = Reads(paths, interval=external.spec.refresh_seconds(self._tools.least_refresh))
            to_come = self._dynamics.to_come(external, self._secret(key, external))
            until = _until(to_come, self._tools.now())
            return Result(Outcome.FAILED, until, problem=str(error), reads=reads, anew=frozenset())
        self._failing.passed(key)
        return result

    async def contested(self, key: Key, writer: str) -> None:
        """Tell an object that somebody else works on it, too."""
        held = self._known.externals(key)
        if held is not None:
            await self._teller.contested(key, held.document, writer)

    def gone(self, held: Held) -> None:
        """One is no more."""
        self._leaving.gone(held)

    async def _refused(self, key: Key, document: Json, problem: str) -> Result:
        """Say it; what was made before it was so is in use."""
        now = self._tools.now()
        tended = await self._tend(key, read_loosely(document))
        await self._teller.say(key, document, None, refused(problem), read=False)
        return Result(Outcome.REFUSED, _until(tended.to_come, now), problem=problem)

    async def _tend(self, key: Key, external: ExternalSecret) -> Tended:
        return await self._dynamics.tend(external, self._secret(key, external))

    def _secret(self, key: Key, external: ExternalSecret) -> Json | None:
        secret = self._known.secrets(Key(key.namespace, external.target_name))
        return secret.document if secret is not None else None

    def _alone_in(self, key: Key, held: Held, document: Json) -> float | None:
        """Seconds until one that is not govgate's is told of, since nobody else does; None: it is somebody's."""
        missing = self._known.missing(held.stores, key.namespace)
        return alone_in(document, self._tools.now()) if missing and len(missing) == len(held.stores) else None

    async def _one(
        self, key: Key, document: Json, external: ExternalSecret, since: Since, *, told: bool, remark: str
    ) -> Result:
        tools, spec, status = self._tools, external.spec, document.get("status") or {}
        dynamics = self._dynamics
        interval = spec.refresh_seconds(tools.least_refresh)
        paths = paths_of(spec, self._known, key.namespace)
        last = read_at(status)
        tended = await self._tend(key, external)
        present, now = tended.present, tools.now()  # after that: what is due by then is due now
        end = _first(due(paths, interval, last.timestamp()) if last is not None else None, tended.replaced_at)
        needed = read_needed(external, status, _time(now), _time(end) if end is not None else None).why
        if told and spec.refresh_policy != "CreatedOnce":
            needed = "changed"
        ready = ready_of(status)
        settled = ready.get("status") == "True"
        missing = interval > 0 and self._known.missing(refs_of(document["spec"]), key.namespace)
        left_alone = self._left_alone(external, present, str(ready.get("reason")))
        lost = dynamics.lost(external, tended.made)
        if needed == "no" and settled and left_alone and not missing and not lost:
            reads = Reads(paths, noted(present, external, paths), interval)
            again = _until(_first(end, tended.next_at), now)
            return Result(Outcome.UNCHANGED, again, reads=reads, partial=_searches(spec))
        anew = needed != "no" or not settled
        since = earliest(since, interval, now) if anew else _any_time
        reading = Reading(external, tools.sources, since, tended.made)
        try:
            decision, written = await self._brought(external, present, reading, tended.note)
        except (StoreError, ExternalError, AuditError) as error:
            outcome = Outcome.WAITING if isinstance(error, StoreError | AuditError) else Outcome.REFUSED
            await self._teller.say(key, document, external, refused(str(error)), read=False)
            reads = Reads(paths, {}, interval)
            unread = frozenset(reading.failed) if isinstance(error, AuditError) else reading.anew
            return Result(outcome, _until(tended.to_come, now), problem=str(error), reads=reads, anew=unread)
        held = dynamics.noted(external, decision.held)
        if decision.action is not Action.REFUSE:
            # By its note, not by what was made: a Secret that stays as it is uses what it has.
            dynamics.settled(external, held)
            lost = dynamics.lost(external, held.made)
            if lost:
                decision = refused(lost)
        await self._teller.say(key, document, external, decision.and_said(remark), read=anew)
        reads = Reads({**paths, **reading.paths}, reading.stamps, interval, whole=True)
        if decision.action is Action.REFUSE:
            return Result(Outcome.REFUSED, _until(tended.to_come, now), problem=decision.message, reads=reads)
        await self._sweep(external)
        # What was read counts from now: the next window is the one after this moment's.
        again = _first(due(paths, interval, now), dynamics.next_at(external, held))
        if decision is NOT_THERE and interval > 0:
            again = _first(again, now + interval)  # nobody tells of a Secret that is not govgate's
        return Result(written, _until(again, tools.now()), reads=reads)

    def _left_alone(self, external: ExternalSecret, present: Json | None, reason: str) -> bool:
        """Whether the Secret is as it was written, or is not to be mended."""
        target = external.spec.target
        if target.creation_policy == "None":
            return True
        if present is None:
            # With Merge there may be none; with Delete, and what was read was nothing, there is none.
            return reason in ("SecretMissing", "SecretDeleted")
        return external.spec.refresh_policy == "CreatedOnce" or intact(present, external, self._tools.key)

    async def _brought(
        self, external: ExternalSecret, present: Json | None, reading: Reading, before: Note
    ) -> tuple[Decision, Outcome]:
        """Read, decide, write. ``before``: what the Secret noted."""
        generated = any(entry.generator is not None for entry in external.spec.data_from)
        if present is None and generated:
            # One that bears no mark yet is not held, and remembers all the same.
            present = await self._present(external)
        if present is None and generated and external.spec.target.creation_policy == "Merge":
            return NOT_THERE, Outcome.UNCHANGED  # before anything is made that nobody would have
        reading.present = secret_data(present)
        values = await collect(external.spec, reading, self._tools.renderer, reading.present)
        made = self._dynamics.note(external, reading.made, before)
        decide = await self._decider(external, values, made)
        target = external.spec.target
        taken_away = not values.data and target.deletion_policy == "Delete"
        if present is None and (target.creation_policy == "Merge" or taken_away):
            # One that bears no mark yet is not held.
            present = await self._present(external)
        decision = decide(present)
        for _ in range(_TRIES):
            if decision.action in (Action.NONE, Action.REFUSE):
                return decision, Outcome.UNCHANGED
            try:
                await self._write(external, decision)
            except ApiError as error:
                if error.code in (_NOT_FOUND, _CONFLICT) and not generated:
                    decision = decide(await self._present(external))
                    continue
                if is_outdated(error):
                    raise  # a Secret that has changed may remember other values: all is decided anew
                if error.code not in _REFUSALS:
                    raise ClusterError(_denial(error)) from None
                return refused(_denial(error)), Outcome.REFUSED
            return decision, _WRITTEN[decision.action]
        raise ClusterError("the Secret changes faster than it can be written")

    async def _decider(self, external: ExternalSecret, values: Values, made: str) -> Callable[[Json | None], Decision]:
        """What decides, with these values, about whatever Secret is there."""
        tools = self._tools
        now = _time(tools.now())
        if not values.data:
            empty = plan_empty(external, None)
            if empty is not None:
                return lambda present: plan_empty(external, present) or empty
        template = external.spec.target.template
        documents = await template_documents(tools.client, template, external.namespace, where="spec.target.template")
        content = await content_of(external, values.data, documents, tools.renderer)
        intent = Intent(external, content, values.sources, tools.key, made)
        return lambda present: plan(intent, present, now=now, alive=self._known)

    async def _present(self, external: ExternalSecret) -> Json | None:
        """The Secret as the API server has it."""
        found = await self._tools.client.find(SECRETS.path("v1", external.namespace, external.target_name))
        if found is None:
            return None
        found["metadata"].pop("managedFields", None)
        return found | {"apiVersion": "v1", "kind": "Secret"}

    async def _write(self, external: ExternalSecret, decision: Decision) -> None:
        assert decision.secret is not None  # noqa: S101 - what is written is there
        client, namespace = self._tools.client, external.namespace
        await self._tools.pace()
        if decision.action is Action.CREATE:
            await client.create(SECRETS.path("v1", namespace), decision.secret)
        elif decision.action is Action.UPDATE:
            await client.replace(SECRETS.path("v1", namespace, external.target_name), decision.secret)
        else:
            metadata = decision.secret["metadata"]
            only = {"uid": metadata.get("uid"), "resourceVersion": metadata.get("resourceVersion")}
            await client.delete(SECRETS.path("v1", namespace, external.target_name), only=only)

    async def _sweep(self, external: ExternalSecret) -> None:
        """Delete the Secrets that were this one's under another name."""
        for key in self._known.owned_by(external.uid):
            secret = self._known.secrets(key)
            document = secret.document if secret is not None else None
            ours = document is not None and key.namespace == external.namespace and is_owner(external, document)
            if key.name == external.target_name or not ours or document is None:
                continue
            only = {"uid": document["metadata"].get("uid")}
            await self._tools.pace()
            try:
                await self._tools.client.delete(SECRETS.path("v1", *key), only=only)
            except ApiError as error:
                if error.code not in (_NOT_FOUND, _CONFLICT):
                    raise


_WRITTEN = {Action.CREATE: Outcome.CREATED, Action.UPDATE: Outcome.UPDATED, Action.DELETE: Outcome.DELETED}


def _any_time(_: Path) -> float:
    return float("-inf")


def earliest(since: Since, interval: float, now: float) -> Since:
    """When what is given must have been read: since it changed, or was changed, and in the window of its path."""
    return lambda path: max(since(path), good_since(path, interval, now))


def _searches(spec: Spec) -> bool:
    """Whether what is read is known only when it is; and it is read, if there is a reason."""
    return spec.refresh_policy != "CreatedOnce" and any(entry.find is not None for entry in spec.data_from)


def noted(secret: Json | None, external: ExternalSecret, paths: Iterable[Path]) -> dict[Path, Stamp]:
    """The versions that a Secret says it is of, as far as it can be told which is whose."""
    annotations, prefix = annotations_of(secret), prefix_of(external)
    keys, versions = (annotations.get(f"{prefix}/{name}", "").split(",") for name in ("key", "version"))
    if len(keys) != len(versions) or len(keys) >= MAX_SOURCES:
        return {}  # it does not say all, or not readably
    known = {key: version for key, version in zip(keys, versions, strict=True) if version and keys.count(key) == 1}
    # Of metadata the version of the value says nothing.
    plain = (path for path in paths if policy_of_path(path) == "None")
    return {path: Stamp(known[key_of_path(path)]) for path in plain if key_of_path(path) in known}


def _first(*ends: float | None) -> float | None:
    return min((one for one in ends if one is not None), default=None)


def _until(end: float | None, now: float) -> float | None:
    return max(0.0, end - now) + 0.05 if end is not None else None


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _denial(error: ApiError) -> str:
    """What the status says. Only validation is quoted, without the values that it quotes: labels may be made of secrets."""
    if error.code != _INVALID:
        return f"the API server does not take the Secret ({error.code} {error.reason[:64]})"
    return f"the API server does not take the Secret: {_QUOTED.sub('…', str(error))[:500]}"
