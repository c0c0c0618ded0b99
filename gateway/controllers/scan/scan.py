"""One pass over a cluster: every type that rules are about, read page by page, judged, and what is found stored.

Memory holds a page of each type that is being read, whatever the cluster's size.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import ParamSpec, Protocol, TypeVar

import msgspec

from gateway.config.controller import Scan
from gateway.controllers.scan.reading import ListPage, Reader, example_of
from gateway.controllers.scan.store import Doubt, Generation, Page, Store, TypeState
from gateway.controllers.scan.tally import Counts, tally
from gateway.controllers.scan.threads import in_thread
from gateway.core.canonical import sha256_digest
from gateway.core.errors import ClusterError, GovgateError
from gateway.core.finding import Resource
from gateway.core.subject import Subject
from gateway.kube import ApiError, KubeClient
from gateway.kube.discovery import Pace, ServedType, served_types
from policies.builtin import kind_matches
from policies.ruleset import Outcome

_BAD_REQUEST, _FORBIDDEN, _NOT_FOUND, _NOT_ALLOWED, _GONE = 400, 403, 404, 405, 410
_TRIES = 5
_ALIVE = "/version"
_SERVER_ERROR = 500
_WAIT_SECONDS = 0.5
_MAX_WAIT_SECONDS = 30.0
_log = logging.getLogger(__name__)
_P = ParamSpec("_P")
_R = TypeVar("_R")


class RulesChangedError(GovgateError):
    """Other rules came into force during the scan: its findings would be of two minds."""


class Judges(Protocol):
    """The rules in force: :class:`webhooks.standing.Standing`."""

    @property
    def digest(self) -> str:
        """Of the rules."""
        ...

    def about(self, subject: Subject) -> bool:
        """Whether any rule may be about objects of the subject's type."""
        ...

    def exempt(self, subject: Subject) -> bool:
        """Whether the object is not judged because of where it is."""
        ...

    async def judge(self, subjects: Sequence[Subject]) -> list[Outcome]:
        """What the rules say about each."""
        ...


class Progress(msgspec.Struct):
    """How far a pass is. ``restarts``: lists that were begun anew, or went on elsewhere, because they had expired."""

    objects: int = 0
    findings: int = 0
    requests: int = 0
    restarts: int = 0


class Pass:
    """One pass. ``asked`` digests all that decides what is read; a scan that was interrupted goes on if that is the same."""

    def __init__(
        self,
        client: KubeClient,
        judges: Judges,
        store: Store,
        settings: Scan,
        *,
        pace: Pace,
        clock: Callable[[], float],
        namespace: str = "",
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._judges = judges
        self._store = store
        self._settings = settings
        self._namespace = namespace
        self._clock = clock
        self._pace = pace
        self._told = progress
        self._reader = Reader(client, self._paced, page_objects=settings.page_objects, namespace=namespace)
        self._writing = asyncio.Lock()
        self.asked = sha256_digest(msgspec.json.encode((settings.exclude, namespace)))
        self.progress = Progress()

    async def run(self) -> Generation:
        """Go on where the last pass was interrupted, else from the start, to the end.

        Raises:
            RulesChangedError: the rules changed meanwhile.
            ClusterError: the cluster does not tell what it serves, or answers no more.
            StoreError: the findings cannot be written.
            UndecidedError: the engine that evaluates rules is not there.
        """
        generation = self._interrupted() or await self._begun()
        waiting = self._store.open_types(generation)[::-1]

        async def work() -> None:
            while waiting:
                await self._read(generation, waiting.pop())

        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._settings.concurrency):
                    workers.create_task(work())
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        await self._write(self._store.finish, generation, now=self._clock(), keep=self._settings.keep)
        more = True
        while more:
            more = await self._write(self._store.prune)
        return generation

    def _interrupted(self) -> Generation | None:
        found = self._store.building()
        if found is None or found.rules != self._judges.digest or found.asked != self.asked:
            return None
        return found if self._clock() - found.started <= self._settings.resume_seconds else None

    async def _begun(self) -> Generation:
        rules = self._judges.digest
        served = await served_types(self._client, self._paced)
        types = [one for one in served.types if self._wanted(one)]
        return self._store.begin(types, now=self._clock(), rules=rules, asked=self.asked, problems=served.problems)

    def _wanted(self, served: ServedType) -> bool:
        if self._namespace and not served.namespaced:
            return False
        if any(kind_matches(pattern, served.group, served.kind) for pattern in self._settings.exclude):
            return False
        return self._judges.about(example_of(served))

    async def _read(self, generation: Generation, state: TypeState) -> None:
        """Read a type to its end, or until it is known why that is not possible.

        Raises:
            ClusterError: the cluster does not answer at all.
        """
        failures = restarts = 0
        while True:
            try:
                page = await self._reader.page(state.served, state.cursor)
            except ClusterError as error:
                if _lost(error, state.cursor) and restarts < _TRIES:
                    restarts += 1
                    await self._expired(generation, state, error)
                    continue
                failures += 1
                if _hopeless(error) or failures >= _TRIES:
                    if not _hopeless(error):
                        await self._check_alive()
                    await self._give_up(generation, state, error)
                    return
                await asyncio.sleep(_wait(failures, error))
                continue
            failures = restarts = 0
            await self._take(generation, state, page)
            if not page.cursor:
                return
            state.cursor = page.cursor

    async def _check_alive(self) -> None:
        """An outage is of no type: it ends the pass, which goes on later.

        Raises:
            ClusterError: the API server does not answer, or not in order.
        """
        await self._paced()
        try:
            await self._client.read(_ALIVE)
        except ApiError as error:
            if error.code >= _SERVER_ERROR:
                raise

    async def _expired(self, generation: Generation, state: TypeState, error: ClusterError) -> None:
        """The list is gone. The server may offer to go on at the same place, with what is there now: each object is then
        still seen once. Else it is read from the start, and what was found of it is forgotten.
        """
        self.progress.restarts += 1
        offered = error.continue_ if isinstance(error, ApiError) else ""
        if offered and offered != state.cursor:
            state.cursor = offered
            return
        state.cursor = ""
        await self._write(self._store.restart, generation, state.number)

    async def _give_up(self, generation: Generation, state: TypeState, error: ClusterError) -> None:
        """Readers are told what is missing; a type that is not served any more is not missing."""
        gone = isinstance(error, ApiError) and error.code == _NOT_FOUND
        problem = "" if gone else str(error)
        if problem:
            _log.warning("type not read", extra={"fields": {"type": str(state.served.resource), "problem": problem}})
        await self._write(self._store.restart, generation, state.number, problem=problem, done=True)

    async def _take(self, generation: Generation, state: TypeState, listed: ListPage) -> None:
        subjects = [subject for subject in listed.subjects if not self._judges.exempt(subject)]
        outcomes = await self._judges.judge(subjects)
        if self._judges.digest != generation.rules:
            raise RulesChangedError("the rules changed during the scan")
        page = _page(subjects, outcomes, listed.cursor)
        await self._write(self._store.add, generation, state.number, page)
        self.progress.objects += len(subjects)
        self.progress.findings += len(page.findings)
        self._told(self.progress)

    async def _paced(self) -> None:
        self.progress.requests += 1
        await self._pace()

    async def _write(self, write: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """One at a time."""
        async with self._writing:
            return await in_thread(write, *args, **kwargs)


def _page(subjects: Sequence[Subject], outcomes: Sequence[Outcome], cursor: str) -> Page:
    page = Page(cursor)
    for subject, outcome in zip(subjects, outcomes, strict=True):
        about = Resource(subject.kind.api_version, subject.kind.kind, subject.object_namespace, subject.name)
        page.findings += outcome.findings
        page.doubts += [Doubt(one.rule, one.reason, about, one.unknown) for one in outcome.undecided]
        page.counts.setdefault(about.namespace, Counts()).add(tally(outcome))
    return page


def _lost(error: ClusterError, cursor: str) -> bool:
    """Whether the server no longer knows the place in the list, or (400) never did."""
    code = error.code if isinstance(error, ApiError) else 0
    return code == _GONE or (code == _BAD_REQUEST and bool(cursor))


def _hopeless(error: ClusterError) -> bool:
    """Whether asking again would change nothing."""
    return isinstance(error, ApiError) and error.code in {_FORBIDDEN, _NOT_FOUND, _NOT_ALLOWED}


def _wait(failures: int, error: ClusterError) -> float:
    asked_for = (error.retry_after_seconds or 0.0) if isinstance(error, ApiError) else 0.0
    return min(_MAX_WAIT_SECONDS, max(asked_for, _WAIT_SECONDS * 2.0 ** (failures - 1)))
