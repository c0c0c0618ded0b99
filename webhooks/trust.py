"""The trust policies in force: those of the configuration, and those of a connected cluster; and who may write them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from gateway.config.provenance import Provenance
from gateway.core.errors import ConfigError, GovgateError
from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from gateway.core.guard import Judged, OnError, Outcome
from gateway.core.subject import Json, Subject
from gateway.kube import Key, KubeClient, ResourceType, WatchCache
from gateway.provenance.trust.predicates import Predicates
from gateway.provenance.trust.reading import GROUP, KIND, read_object, read_policy, stand_in
from gateway.provenance.verifier import ReadyTrust, make_ready

RULE = "provenance/trust-policy"
PLURAL = "trustpolicies"
_GATHER_SECONDS = 0.1
_RETIRE_SECONDS = 35.0
_MAX_PROBLEM_CHARS = 500
_log = logging.getLogger(__name__)


class ConfiguredTrust:
    """The policies of the configuration."""

    def __init__(self, policies: Sequence[ReadyTrust] = ()) -> None:
        self._policies = tuple(policies)

    @property
    def digest(self) -> str:
        """Of everything that the policies say."""
        return digest_of(self._policies)

    def policies(self) -> Sequence[ReadyTrust]:
        """Those in force now."""
        return self._policies

    def checks(self) -> dict[str, bool | str]:
        """Nothing can be missing."""
        return {}

    def warnings(self) -> dict[str, str]:
        """Nothing can be out of force."""
        return {}

    async def close(self) -> None:
        """Let go of their Rego."""
        for ready in self._policies:
            ready.close()


class ClusterTrust:
    """Those, and the TrustPolicies of a cluster. One that cannot be used is told of; what it was before stays in force, and
    if it was never usable, what it is about is undecided.

    ``needed`` is called when there are any, once or more often: others need not watch anything before.
    """

    def __init__(self, client: KubeClient, configured: Sequence[ReadyTrust], needed: Callable[[], None]) -> None:
        self.problems: dict[str, str] = {}
        self._configured = tuple(configured)
        self._needed = needed
        self._cache = WatchCache(
            client, ResourceType(GROUP, ("v1alpha1",), PLURAL), _reduced, on_change=self._on_change
        )
        self._ready: dict[str, ReadyTrust] = {}
        self._changed = asyncio.Event()
        self._built = False
        self._watching: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def digest(self) -> str:
        """Of everything that the policies say."""
        return digest_of(self.policies())

    def policies(self) -> Sequence[ReadyTrust]:
        """Those in force now."""
        return (*self._configured, *self._ready.values())

    def checks(self) -> dict[str, bool | str]:
        """Whether the policies were read and made ready for the first time; else why not."""
        cache = self._cache
        if self._watching is not None and self._watching.done():
            return {str(cache.resource): "what reads them has ended, so that changes would go unseen: restart"}
        return {str(cache.resource): (cache.synced and self._built) or cache.problem or "not ready yet"}

    def warnings(self) -> dict[str, str]:
        """What is not in force, or not as it is now."""
        return {f"{KIND} {name}": problem for name, problem in sorted(self.problems.items())}

    def start(self) -> None:
        """Begin to list, watch and make ready."""
        if self._configured:
            self._needed()
        self._cache.start()
        self._watching = self._keep(self._run())
        self._watching.add_done_callback(_tell_end)

    async def close(self) -> None:
        """Stop, and let go of the Rego."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._cache.close()
        for ready in self.policies():
            ready.close()

    def _on_change(self, _key: Key, _old: Json | None, _new: Json | None) -> None:
        self._changed.set()

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self) -> None:
        while True:
            if self._cache.synced:
                self._changed.clear()
                await self._build()
                self._built = True
                await self._changed.wait()
            await asyncio.sleep(_GATHER_SECONDS)

    async def _build(self) -> None:
        documents = {key.name: document for key, document in self._cache.items()}
        found, problems = await read_all(documents, self._ready)
        for name, problem in problems.items():
            if self.problems.get(name) != problem:
                _log.warning("trust policy not in force as it is", extra={"fields": {"problem": problem}})
        gone = [ready for ready in self._ready.values() if ready not in found.values()]
        self._ready, self.problems = found, problems
        if found:
            self._needed()
        if gone:
            self._keep(_close_later(gone))


async def read_all(
    documents: Mapping[str, Json], before: Mapping[str, ReadyTrust]
) -> tuple[dict[str, ReadyTrust], dict[str, str]]:
    """The policies of a cluster by name, and what is wrong with those that cannot be used; one never stops another.

    Args:
        documents: the objects by name.
        before: what was in force; what has not changed is used again.
    """
    found: dict[str, ReadyTrust] = {}
    problems: dict[str, str] = {}
    for name, document in documents.items():
        old = before.get(name)
        try:
            trust = read_object({**document, "kind": KIND, "apiVersion": f"{GROUP}/v1alpha1"}, source="cluster")
            same = old is not None and old.trust.digest == trust.digest
            found[name] = old if old is not None and same else await make_ready(trust, trial=True)
        except Exception as error:  # noqa: BLE001 - whatever one policy is, the others are to be read
            problem = str(error) if isinstance(error, GovgateError) else f"internal error: {type(error).__name__}"
            problems[name] = problem[:_MAX_PROBLEM_CHARS]
            found[name] = old if old is not None and not old.trust.unusable else _unusable(document, name, problem)
    return found, problems


def _unusable(document: Json, name: str, problem: str) -> ReadyTrust:
    why = f"TrustPolicy {name} cannot be used: {problem[:_MAX_PROBLEM_CHARS]}"
    return ReadyTrust(stand_in(document, name, why, source="cluster"), Predicates({}))


async def configured_trust(settings: Provenance, *, source: str = "configuration") -> list[ReadyTrust]:
    """The policies of the configuration, made ready.

    Raises:
        ConfigError: one cannot be used.
    """
    return [await make_ready(read_policy(policy, source=source), trial=False) for policy in settings.policies]


def digest_of(policies: Sequence[ReadyTrust]) -> str:
    """Of everything that the policies say; empty if there are none."""
    if not policies:
        return ""
    return hashlib.sha256("".join(sorted(ready.trust.digest for ready in policies)).encode()).hexdigest()


class TrustPolicyGuard:
    """A TrustPolicy that could not be used is refused when it is written, not found out when it should protect."""

    name = "trust-policy"

    def __init__(self, on_error: OnError) -> None:
        self._on_error = on_error

    def concerns(self, subject: Subject) -> bool:
        """Whether a TrustPolicy is written."""
        return (
            subject.kind.group == GROUP
            and subject.kind.kind == KIND
            and subject.operation in {"CREATE", "UPDATE"}
            and not subject.subresource
        )

    def on_error(self, subject: Subject) -> OnError:  # noqa: ARG002 - the protocol's
        """As configured."""
        return self._on_error

    async def judge(self, subject: Subject) -> Outcome:
        """Read it as it would be read to be used."""
        try:
            (await make_ready(read_object(subject.object, source="request"), trial=True)).close()
        except ConfigError as error:
            about = Resource(subject.kind.api_version, KIND, "", subject.name)
            finding = Finding(
                finding_id(RULE, about, "spec"),
                RULE,
                Severity.HIGH,
                Action.DENY,
                self.name,
                about,
                "spec",
                str(error),
                "",
            )
            return Judged(self.name, "cannot be used", (finding,))
        return Judged(self.name, "can be used")


def _reduced(document: Json) -> Json:
    metadata = document.get("metadata") or {}
    return {"metadata": {"name": metadata.get("name")}, "spec": document.get("spec")}


async def _close_later(policies: Sequence[ReadyTrust]) -> None:
    """Reviews that began with them still ask their Rego; none of them lasts longer."""
    await asyncio.sleep(_RETIRE_SECONDS)
    for ready in policies:
        ready.close()


def _tell_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("trust policies are read no more", exc_info=task.exception())
