"""What was changed under grants, for objects that nobody asks about: the background scan."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gateway.core.errors import ClusterError, UndecidedError
from gateway.core.subject import Subject
from gateway.kube import KubeClient, WatchCache
from gateway.kube.store import Key
from policies.ruleset import Outcome, Undecided
from webhooks.breakglass.grant import RESOURCE, Grant, read_grant
from webhooks.breakglass.known import NOT_IN_GIT
from webhooks.breakglass.opened import Open, Opened
from webhooks.breakglass.report import findings_of
from webhooks.drift.facts import ObjectKey

_FORBIDDEN = "403 "


class Changes:
    """Finds, object by object, what Git does not agree with. The few objects in question are read anew, with managedFields."""

    def __init__(self, client: KubeClient, managers: Collection[str]) -> None:
        self._client = client
        self._managers = managers
        self._cache = WatchCache(client, RESOURCE, read_grant, on_change=self._changed)
        self._opened: Opened | None = None

    def about(self, subject: Subject) -> bool:
        """Whether an object of the subject's type was changed under a grant."""
        return (subject.kind.group, subject.kind.kind) in self._now().kinds()

    def checks(self) -> dict[str, bool | str]:
        """That the grants were read, or may not be: then the log says so, and nothing is found."""
        cache = self._cache
        return {str(RESOURCE): cache.synced or cache.problem.startswith(_FORBIDDEN) or cache.problem}

    def start(self) -> None:
        """Begin to watch."""
        self._cache.start()

    async def close(self) -> None:
        """Stop."""
        await self._cache.close()

    async def join(self, subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes, each with what is found about its object."""
        opened = self._now()
        return [
            await self._joined(opened.of(_key(subject)), outcome)
            for subject, outcome in zip(subjects, outcomes, strict=True)
        ]

    async def _joined(self, changes: list[Open], outcome: Outcome) -> Outcome:
        if not changes:
            return outcome
        try:
            found = await findings_of(self._client, changes, self._managers)
        except (ClusterError, UndecidedError) as error:
            return outcome.joined(undecided=(Undecided(NOT_IN_GIT, str(error), unknown=True),), judged=1)
        return outcome.joined(findings=tuple(found), judged=1)

    def _now(self) -> Opened:
        if self._opened is None:
            self._opened = Opened(grant for _, grant in self._cache.items())
        return self._opened

    def _changed(self, _key: Key, _old: Grant | None, _new: Grant | None) -> None:
        self._opened = None


def _key(subject: Subject) -> ObjectKey:
    return ObjectKey(subject.kind.group, subject.kind.kind, subject.object_namespace, subject.name)
