"""One ClusterExternalSecret, or ClusterPushSecret, brought in sync: planned of what the caches hold, written step by step, and told of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from gateway.controllers.cluster_external.known import HeldCluster, HeldPlace, Json, Known
from gateway.controllers.external.held import NAMESPACES
from gateway.kube import ApiError, KubeClient
from gateway.kube.discovery import Pace
from gateway_secrets.external.cluster import Act, ClusterExternal, Step, cluster_of, plan, said, status_of
from gateway_secrets.external.faults import refusal
from gateway_secrets.external.validate import faults

_NOT_FOUND, _CONFLICT = 404, 409
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')


class Outcome(StrEnum):
    """What became of one. ``failed``: in some namespaces there is none yet, or it is wrong itself; it comes again."""

    SYNCED = "synced"
    FAILED = "failed"
    MIXED = "mixed"
    UNCLAIMED = "unclaimed"
    GONE = "gone"


class Result(msgspec.Struct, frozen=True):
    """``again_in``: seconds, if it is looked at again without a change. ``problem``: for people."""

    outcome: Outcome
    again_in: float | None = None
    problem: str = ""


class Worker:
    """Brings them in sync, one after the other or several at a time."""

    def __init__(self, client: KubeClient, known: Known, pace: Pace) -> None:
        self._client = client
        self._known = known
        self._pace = pace
        self._twin = known.twin
        self._settled: dict[str, dict[str, tuple[bytes, bytes]]] = {}

    async def sync(self, name: str) -> Result:
        """Bring one in sync.

        Raises:
            ClusterError: the API server could not be asked, or what was looked at is outdated.
        """
        held = self._known.clusters(name)
        if held is None:
            self._settled.pop(name, None)
            return Result(Outcome.GONE)
        document = held.document
        places = {key.name: place for key, place in self._known.places()}
        refused = refusal(faults(document))
        about = self._readable(document)
        seen = self._seen(about, places)
        whose = self._known.whose(held, seen)
        if whose == "mixed":
            return Result(
                Outcome.MIXED, problem="the stores of some of its namespaces are govgate's, those of others not"
            )
        if whose != "ours":
            return Result(Outcome.UNCLAIMED)
        if document["metadata"].get("deletionTimestamp"):
            await self._let_go(held, places)
            return Result(Outcome.GONE)
        if refused or about is None:
            await self._say(document, "", (), {}, refused)
            return Result(Outcome.FAILED, problem=refused)
        return await self._one(document, about, places)

    def _seen(self, about: ClusterExternal | None, places: Mapping[str, HeldPlace]) -> list[str]:
        """The namespaces that it is about."""
        if about is None:
            return []
        selected = {name for name, one in places.items() if about.spec.selects(name, one.place.labels)}
        return sorted(selected | {one["metadata"]["namespace"] for one in self._known.own(about)})

    async def _one(self, document: Json, about: ClusterExternal, places: Mapping[str, HeldPlace]) -> Result:
        settled = self._settled.setdefault(about.name, {})
        facts = {name: one.place for name, one in places.items()}
        decided = plan(about, facts, self._known.present(about), self._known.own(about), settled)
        failed = dict(decided.failed)
        for step in decided.steps:
            try:
                await self._do(step, settled)
            except ApiError as error:
                if error.code == _CONFLICT and step.act is Act.REPLACE:
                    raise  # it is decided anew, with the newest
                # The words may quote what the object holds.
                failed[step.namespace] = _QUOTED.sub("…", str(error))[:300]
        for name in [name for name, one in places.items() if one.place.ending and about.name in one.finalizers]:
            await self._release(name, about.name)
        await self._say(document, about.external_name, decided.wanted, failed)
        again = about.spec.refresh_seconds()
        if failed:
            listed = "; ".join(f"{name}: {why}" for name, why in sorted(failed.items())[:3])
            return Result(Outcome.FAILED, problem=f"{len(failed)} namespaces failed: {listed}")
        return Result(Outcome.SYNCED, again)

    async def _do(self, step: Step, settled: dict[str, tuple[bytes, bytes]]) -> None:
        metadata = step.document["metadata"]
        path = self._twin.made.path(self._twin.version, step.namespace)
        await self._pace()
        if step.act is Act.DELETE:
            settled.pop(step.namespace, None)
            only = {"uid": metadata.get("uid"), "resourceVersion": metadata.get("resourceVersion")}
            try:
                await self._client.delete(f"{path}/{metadata['name']}", only=only)
            except ApiError as error:
                if error.code != _NOT_FOUND:
                    raise
            return
        if step.act is Act.CREATE:
            made = await self._client.create(path, step.document)
        else:
            made = await self._client.replace(f"{path}/{metadata['name']}", step.document)
        settled[step.namespace] = (said(step.document), said(made))

    async def _let_go(self, held: HeldCluster, places: Mapping[str, HeldPlace]) -> None:
        """Take ESO's finalizers away, as it would: what it made goes with its owner."""
        document = held.document
        metadata = document["metadata"]
        for name in [name for name, one in places.items() if metadata["name"] in one.finalizers]:
            await self._release(name, metadata["name"])
        finalizers = metadata.get("finalizers") or []
        if self._twin.finalizer in finalizers:
            metadata = metadata | {"finalizers": [one for one in finalizers if one != self._twin.finalizer]}
            path = self._twin.cluster.path(self._twin.version, "", metadata["name"])
            await self._pace()
            await self._client.replace(path, document | {"metadata": metadata})

    async def _release(self, namespace: str, name: str) -> None:
        path = NAMESPACES.path("v1", "", namespace)
        await self._pace()
        try:
            document = await self._client.get(path)
            metadata = document["metadata"]
            left = [one for one in metadata.get("finalizers") or [] if one != f"{self._twin.namespace_finalizer}{name}"]
            await self._client.replace(path, document | {"metadata": metadata | {"finalizers": left}})
        except ApiError as error:
            if error.code != _NOT_FOUND:
                raise

    async def _say(
        self, document: Json, external_name: str, wanted: tuple[str, ...], failed: Mapping[str, str], problem: str = ""
    ) -> None:
        status = document.get("status") or {}
        shall = status_of(status, external_name, wanted, failed, problem, of=self._twin.of)
        if shall != status:
            path = self._twin.cluster.path(self._twin.version, "", document["metadata"]["name"])
            await self._pace()
            await self._client.replace(f"{path}/status", document | {"status": shall})

    def _readable(self, document: Json) -> ClusterExternal | None:
        """The object, if it can be read at all: whose it is, is then told by its namespaces, whatever else is wrong with it."""
        try:
            return cluster_of(document, self._twin.of)
        except msgspec.ValidationError:
            return None
