"""Gatekeeper's constraints as a cluster holds them: watched, compiled anew when they change, swapped whole.

Each worker watches by itself: there is nothing to agree on, and a worker that starts has them before it is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

from gateway.config.policy import Policy
from gateway.core.errors import GovgateError
from gateway.core.subject import Json, Subject
from gateway.kube import Key, KubeClient, ResourceType, WatchCache
from gateway.kube.limits import CacheLimits
from policies.engine import Engine, Module
from policies.gatekeeper.compile import Policies
from policies.gatekeeper.constraint import GROUP as CONSTRAINTS
from policies.gatekeeper.constraint import WEBHOOK
from policies.gatekeeper.expansion import GROUP as EXPANSIONS
from policies.gatekeeper.lenient import Documents, Name, Usable, by_name, usable
from policies.gatekeeper.rules import rules_of
from policies.gatekeeper.template import GROUP as TEMPLATES
from policies.rule import Asked, RuleInfo
from policies.ruleset import Outcome, RuleSet, load
from policies.settings import Settings
from policies.sources import CLUSTER_GATEKEEPER
from webhooks.surroundings import ClusterSurroundings

_GATHER_SECONDS = 0.3
"""Changes that come within this time are compiled together."""
_RETIRE_SECONDS = 35.0
"""Reviews that began with old rules still ask them; none of them lasts longer."""
_LIMITS = CacheLimits(probe_seconds=5.0, max_objects=10_000)
_log = logging.getLogger(__name__)


class ClusterConstraints:
    """The rules that templates, constraints and expansions in a cluster state.

    ``point``: the enforcement point at which constraints are in force. ``problems``: by kind and name, why one is not in force, or not as it is now.
    """

    def __init__(
        self,
        client: KubeClient,
        config: Policy,
        engine: Engine,
        around: ClusterSurroundings,
        *,
        point: str = WEBHOOK,
    ) -> None:
        self.problems: dict[Name, str] = {}
        self._client = client
        self._config = config
        self._point = point
        self._engine = engine
        self._around = around
        self._changed = asyncio.Event()
        self._templates = self._cache(TEMPLATES, ("v1", "v1beta1"), "constrainttemplates")
        self._expansions = self._cache(EXPANSIONS, ("v1", "v1beta1", "v1alpha1"), "expansiontemplate")
        self._constraints: dict[str, WatchCache[Json]] = {}
        self._good = Documents()
        self._seen = Documents()
        self._rules: RuleSet | None = None
        self._built = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def digest(self) -> str:
        """Of the rules in force; empty if there are none."""
        return self._rules.digest if self._rules is not None else ""

    async def judge(self, asked: Asked, *, timeout_seconds: float) -> Outcome:
        """Judge one request by every rule that concerns it."""
        return Outcome() if self._rules is None else await self._rules.judge(asked, timeout_seconds=timeout_seconds)

    async def judge_all(self, many: Sequence[Asked], *, timeout_seconds: float) -> list[Outcome]:
        """Judge many requests, each as :meth:`judge` does; ``timeout_seconds`` is for each."""
        if self._rules is None:
            return [Outcome() for _ in many]
        return await self._rules.judge_all(many, timeout_seconds=timeout_seconds)

    @property
    def infos(self) -> tuple[RuleInfo, ...]:
        """The rules in force, by id."""
        return self._rules.infos if self._rules is not None else ()

    def about(self, subject: Subject) -> bool:
        """Whether any rule may be about objects of the subject's type."""
        return self._rules is not None and self._rules.about(subject)

    def overrunning(self) -> int:
        """Evaluations that were answered at their deadline and still run in this process."""
        return self._rules.overrunning() if self._rules is not None else 0

    def checks(self) -> dict[str, bool | str]:
        """Whether everything was read and compiled for the first time; else why not."""
        unread = next((cache for cache in self._caches() if not cache.synced), None)
        if unread is not None:
            return {CLUSTER_GATEKEEPER: f"{unread.resource}: {unread.problem}"}
        return {CLUSTER_GATEKEEPER: self._built or "not compiled yet"}

    def warnings(self) -> dict[str, str]:
        """What is not in force, or not as it is now."""
        unasked = {"opa (constraints)": self._rules.problem} if self._rules is not None and self._rules.problem else {}
        return unasked | {f"{kind} {name}": problem for (kind, name), problem in sorted(self.problems.items())}

    def start(self) -> None:
        """Begin to list, watch and compile."""
        self._templates.start()
        self._expansions.start()
        self._keep(self._run())

    async def close(self) -> None:
        """Stop, and let go of the rules."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for cache in self._caches():
            await cache.close()
        if self._rules is not None:
            await self._rules.close()

    def _cache(self, group: str, versions: tuple[str, ...], plural: str) -> WatchCache[Json]:
        resource = ResourceType(group, versions, plural)
        return WatchCache(self._client, resource, _reduced, on_change=self._on_change, limits=_LIMITS)

    def _caches(self) -> list[WatchCache[Json]]:
        return [self._templates, self._expansions, *self._constraints.values()]

    def _on_change(self, _key: Key, _old: Json | None, _new: Json | None) -> None:
        self._changed.set()

    def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        while True:
            await self._follow_kinds()
            if all(cache.synced for cache in self._caches()):
                self._changed.clear()
                documents = self._documents()
                if not self._built or documents != self._seen:
                    await self._build(documents)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), _LIMITS.probe_seconds)
            await asyncio.sleep(_GATHER_SECONDS)

    async def _follow_kinds(self) -> None:
        """A cache for the constraints of each template that is there, and for no other."""
        templates = [document for _, document in self._templates.items()]
        plurals = {constraint_plural(document) for document in templates} - {""}
        for plural in plurals - self._constraints.keys():
            self._constraints[plural] = cache = self._cache(CONSTRAINTS, ("v1beta1", "v1alpha1"), plural)
            cache.start()
        for plural in self._constraints.keys() - plurals:
            await self._constraints.pop(plural).close()

    def _documents(self) -> Documents:
        constraints = [document for cache in self._constraints.values() for _, document in cache.items()]
        return Documents(
            by_name(document for _, document in self._templates.items()),
            by_name(constraints),
            by_name(document for _, document in self._expansions.items()),
        )

    async def _build(self, documents: Documents) -> None:
        """Compile what is there now and put it in force; what does not compile stays as it was."""
        refused: dict[Name, str] = {}
        while True:
            found = usable(documents, self._good, refused)
            try:
                rules = await self._load(found)
                break
            except GovgateError as error:
                more = await self._guilty(found, refused)
                if not more:
                    self.problems = {("", "all"): str(error)}
                    _log.error("constraints not compiled", extra={"fields": {"problem": str(error)[:500]}})
                    return
                refused |= more
        if rules is not None:
            await self._around.feed(rules)
        old, self._rules = self._rules, rules
        self._good, self._seen, self._built = found.documents, documents, True
        if old is not None:
            self._around.starve(old)
            self._keep(_close_later(old))
        self._tell(found.problems, len(found.policies.constraints))

    def _tell(self, problems: dict[Name, str], constraints: int) -> None:
        for name, problem in problems.items():
            if self.problems.get(name) != problem:
                fields = {"kind": name[0], "name": name[1], "problem": problem[:500]}
                _log.warning("not in force as it is", extra={"fields": fields})
        self.problems = problems
        _log.info("constraints in force", extra={"fields": {"constraints": constraints, "digest": self.digest}})

    async def _load(self, found: Usable) -> RuleSet | None:
        if not found.policies.templates:
            return None
        compiled, rules = await asyncio.to_thread(rules_of, found.policies, self._point)
        modules = [Module(module.path, module.text, module.version) for module in compiled.modules]
        settings = Settings(self._config.rules, rules, strict=False)
        return await load(self._engine, modules, rules, settings, compiled.data, expansions=found.expansions)

    async def _guilty(self, found: Usable, refused: dict[Name, str]) -> dict[Name, str]:
        """Templates that do not compile by themselves, of those that changed since all was good."""
        guilty: dict[Name, str] = {}
        for name, document in found.documents.templates.items():
            if name in refused or self._good.templates.get(name) == document:
                continue
            kind = next(kind for kind in found.policies.templates if kind.lower() == name[1].lower())
            constraints = tuple(one for one in found.policies.constraints if one.kind == kind)
            alone = Policies({kind: found.policies.templates[kind]}, constraints)
            try:
                rules = await self._load(Usable(alone, (), Documents(), {}))
            except GovgateError as error:
                guilty[name] = " ".join(str(error).split())
            else:
                if rules is not None:
                    await rules.close()
        return guilty


def _reduced(document: Json) -> Json:
    """What states rules: no status, and of the metadata what is read."""
    metadata = document["metadata"]
    kept = {key: metadata[key] for key in ("name", "annotations") if key in metadata}
    kept.get("annotations", {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    return {**{key: value for key, value in document.items() if key != "status"}, "metadata": kept}


def constraint_plural(template: Json) -> str:
    """The name in URLs of a template's constraints: Gatekeeper makes it of the kind. Empty if it states none."""
    at: Any = template
    for key in ("spec", "crd", "spec", "names", "kind"):
        at = at.get(key) if isinstance(at, dict) else None
    return at.lower() if isinstance(at, str) else ""


async def _close_later(rules: RuleSet) -> None:
    try:
        await asyncio.sleep(_RETIRE_SECONDS)
    finally:
        await rules.close()
