"""The trust policies in force: those of the configuration, and those of a connected cluster."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from gateway.config.model import Config
from gateway.config.provenance import Provenance, TrustPolicy
from gateway.core.errors import GovgateError
from gateway.core.subject import Json
from gateway.kube import Key, KubeClient, ResourceType, WatchCache
from gateway.provenance.trust.places import Place, Refer, no_place, places
from gateway.provenance.trust.predicates import Predicates
from gateway.provenance.trust.reading import GROUP, KIND, Trust, policy_of, read_object, read_policy, stand_in, unusable
from gateway.provenance.verifier import ReadyTrust, make_ready
from webhooks.trust_references import References

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
    if it was never usable, what it is about is undecided. So it is if it has keys from objects of the cluster that cannot
    be used: what was in them before may have been revoked. They are read every ``reference_seconds``.

    ``configured`` are those of the configuration that have none, ``referring`` those that have. ``needed`` is called when there are any, once or more often: others need not watch anything before.
    """

    def __init__(
        self,
        client: KubeClient,
        configured: Sequence[ReadyTrust],
        needed: Callable[[], None],
        *,
        referring: Sequence[TrustPolicy] = (),
        references: References | None = None,
        reference_seconds: float = 30.0,
    ) -> None:
        self.problems: dict[str, str] = {}
        self._configured = tuple(configured)
        self._referring = tuple(referring)
        self._references = references or References(client, "", ())
        self._reference_seconds = reference_seconds
        self._needed = needed
        self._cache = WatchCache(
            client, ResourceType(GROUP, ("v1alpha1",), PLURAL), _reduced, on_change=self._on_change
        )
        self._ready: dict[str, ReadyTrust] = {}
        self._own: dict[str, ReadyTrust] = {}
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
        return (*self._configured, *self._own.values(), *self._ready.values())

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
        if self._configured or self._referring:
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
                again = await self._build()
                self._built = True
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), self._reference_seconds if again else None)
            await asyncio.sleep(_GATHER_SECONDS)

    async def _build(self) -> bool:
        """Put in force what is there now. Returns whether any of it is in objects, which change by themselves."""
        documents = {key.name: document for key, document in self._cache.items()}
        named = {place for policy in self._referring for place in places(policy)}
        named |= {place for document in documents.values() for place in _places_in(document)}
        await self._references.read(named)
        found, problems = await read_all(documents, self._ready, refer=self._references.of_cluster)
        own, own_problems = await read_own(self._referring, self._own, self._references.of_configuration)
        problems |= own_problems
        for name, problem in problems.items():
            if self.problems.get(name) != problem:
                _log.warning("trust policy not in force as it is", extra={"fields": {"problem": problem}})
        before, after = (*self._own.values(), *self._ready.values()), (*own.values(), *found.values())
        gone = [ready for ready in before if ready not in after]
        self._ready, self._own, self.problems = found, own, problems
        if found:
            self._needed()
        if gone:
            self._keep(_close_later(gone))
        return bool(named)


async def read_all(
    documents: Mapping[str, Json], before: Mapping[str, ReadyTrust], refer: Refer = no_place
) -> tuple[dict[str, ReadyTrust], dict[str, str]]:
    """The policies of a cluster by name, and what is wrong with those that cannot be used; one never stops another.

    Args:
        documents: the objects by name.
        before: what was in force; what has not changed is used again.
        refer: what is in the objects that policies name.
    """
    found: dict[str, ReadyTrust] = {}
    problems: dict[str, str] = {}
    for name, document in documents.items():
        old = before.get(name)
        try:
            whole = {**document, "kind": KIND, "apiVersion": f"{GROUP}/v1alpha1"}
            found[name] = await _made(read_object(whole, source="cluster", refer=refer), old, trial=True)
        except Exception as error:  # noqa: BLE001 - whatever one policy is, the others are to be read
            problems[name] = problem = _told(error)
            stays = old is not None and not old.trust.unusable and not (places(old.trust.policy) | _places_in(document))
            found[name] = old if old is not None and stays else _unusable(document, name, problem)
    return found, problems


async def read_own(
    policies: Sequence[TrustPolicy], before: Mapping[str, ReadyTrust], refer: Refer
) -> tuple[dict[str, ReadyTrust], dict[str, str]]:
    """The same of policies of the configuration that have keys from objects."""
    found: dict[str, ReadyTrust] = {}
    problems: dict[str, str] = {}
    for policy in policies:
        name, old = policy.name, before.get(policy.name)
        try:
            found[name] = await _made(read_policy(policy, source="configuration", refer=refer), old, trial=False)
        except GovgateError as error:
            problems[f"{name} (configuration)"] = problem = _told(error)
            found[name] = _unread(policy, problem)
    return found, problems


async def _made(trust: Trust, old: ReadyTrust | None, *, trial: bool) -> ReadyTrust:
    return old if old is not None and old.trust.digest == trust.digest else await make_ready(trust, trial=trial)


def _told(error: Exception) -> str:
    return (str(error) if isinstance(error, GovgateError) else f"internal error: {type(error).__name__}")[
        :_MAX_PROBLEM_CHARS
    ]


def _places_in(document: Json) -> frozenset[Place]:
    """What a policy of the cluster names; nothing if it cannot be read."""
    try:
        return places(policy_of({**document, "kind": KIND, "apiVersion": f"{GROUP}/v1alpha1"}, source="cluster"))
    except Exception:  # noqa: BLE001 - what is wrong with it is told where it is read to be used
        return frozenset()


def _unusable(document: Json, name: str, problem: str) -> ReadyTrust:
    return ReadyTrust(stand_in(document, name, _why(name, problem), source="cluster"), Predicates({}))


def _unread(policy: TrustPolicy, problem: str) -> ReadyTrust:
    return ReadyTrust(unusable(policy, _why(policy.name, problem), source="configuration"), Predicates({}))


def _why(name: str, problem: str) -> str:
    return f"TrustPolicy {name} cannot be used: {problem}"


async def configured_trust(settings: Provenance) -> list[ReadyTrust]:
    """The policies of the configuration that have no keys from objects of a cluster, made ready.

    Raises:
        ConfigError: one cannot be used.
    """
    alone = [policy for policy in settings.policies if not places(policy)]
    return [await make_ready(read_policy(policy, source="configuration"), trial=False) for policy in alone]


def unconnected_trust(settings: Provenance) -> list[ReadyTrust]:
    """The others, where no cluster is connected: what they are about is undecided."""
    return [_unread(policy, "its keys are in a cluster, and none is connected") for policy in referring(settings)]


def referring(settings: Provenance) -> list[TrustPolicy]:
    """The policies of the configuration that have keys from objects of the cluster."""
    return [policy for policy in settings.policies if places(policy)]


def cluster_trust(
    config: Config, client: KubeClient, configured: Sequence[ReadyTrust], needed: Callable[[], None]
) -> ClusterTrust:
    """The policies of a cluster, as configured."""
    return ClusterTrust(
        client,
        configured,
        needed,
        referring=referring(config.provenance),
        references=references_of(config, client),
        reference_seconds=config.provenance.reference_seconds,
    )


def references_of(config: Config, client: KubeClient) -> References:
    """The objects that policies may have keys from, as configured."""
    return References(client, config.cluster.own_namespace, config.provenance.reference_namespaces)


def digest_of(policies: Sequence[ReadyTrust]) -> str:
    """Of everything that the policies say; empty if there are none."""
    if not policies:
        return ""
    return hashlib.sha256("".join(sorted(ready.trust.digest for ready in policies)).encode()).hexdigest()


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
