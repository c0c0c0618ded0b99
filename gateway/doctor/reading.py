"""What the checks need to know of a cluster, read from its API server. No check is made here."""

from __future__ import annotations

import asyncio
import base64
import binascii
import datetime as dt
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from gateway.config.model import Config
from gateway.config.yaml import read_yaml
from gateway.core.errors import ClusterError
from gateway.core.subject import Json
from gateway.doctor.clocks import ahead_of
from gateway.doctor.rbac import Roles
from gateway.doctor.registrations import API
from gateway.doctor.replicas import Told
from gateway.doctor.scales import ServedResource
from gateway.kube import ApiError, KubeClient, ResourceType
from gateway.kube.errors import UnreachableError
from gateway.kube.lists import list_objects
from gateway.kube.resource import served_version
from gateway.server.wanted import as_registration
from webhooks.breakglass.grant import Grant
from webhooks.breakglass.noted import Notes
from webhooks.breakglass.report import held_grants
from webhooks.drift.caches import PROJECTS, Owners
from webhooks.drift.reconcilers.argocd_records import Project, project
from webhooks.drift.reconcilers.records import Record

_MAX_PODS = 50
_RBAC = "rbac.authorization.k8s.io"
_VALIDATING = "validatingwebhookconfigurations"
_KINDS = {
    _VALIDATING: "ValidatingWebhookConfiguration",
    "mutatingwebhookconfigurations": "MutatingWebhookConfiguration",
}
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class _Subresource(msgspec.Struct, frozen=True):
    subresource: str


class _Resource(msgspec.Struct, frozen=True):
    resource: str
    subresources: tuple[_Subresource, ...] = ()


class _Version(msgspec.Struct, frozen=True):
    resources: tuple[_Resource, ...] = ()


class _Named(msgspec.Struct, frozen=True):
    name: str = ""


class _Group(msgspec.Struct, frozen=True):
    metadata: _Named = _Named()
    versions: tuple[_Version, ...] = ()


class _Groups(msgspec.Struct, frozen=True):
    kind: str = ""
    items: tuple[_Group, ...] = ()


class _Rules(msgspec.Struct):
    version: str = ""
    workers: dict[str, str] = {}
    certificate: str = ""
    time: str = ""


class Cluster:
    """Questions to one API server. Each method raises ClusterError where it does not answer."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def roles(self) -> Roles:
        """Everything that RBAC knows."""
        names = ("clusterroles", "roles", "clusterrolebindings", "rolebindings")
        return Roles(*[await self._all(_RBAC, name) for name in names])

    async def owners(self, kind: Owners) -> list[Record]:
        """All objects of a kind by which a reconciler is told what to do; none if the cluster does not know it."""
        return [kind.reduce(one) for one in await self._served(kind.resource)]

    async def projects(self) -> dict[tuple[str, str], Project]:
        """Argo CD's projects, by namespace and name."""
        found = await self._served(PROJECTS)
        return {(one["metadata"]["namespace"], one["metadata"]["name"]): project(one, windows=False) for one in found}

    async def accounts(self, namespace: str) -> list[str]:
        """The user names of a namespace's service accounts."""
        listed = await self._client.get(f"/api/v1/namespaces/{namespace}/serviceaccounts")
        names = [one["metadata"]["name"] for one in listed.get("items") or ()]
        return [f"system:serviceaccount:{namespace}:{name}" for name in names]

    async def grants(self) -> list[Grant]:
        """The break-glass grants that there are."""
        return await held_grants(self._client)

    async def notes(self, namespace: str) -> Mapping[str, str]:
        """Which approvals of grants were seen."""
        return await Notes(self._client, namespace).read()

    async def registrations(self) -> list[Json]:
        """All webhook configurations, each with its kind."""
        found = []
        for plural, kind in _KINDS.items():
            found += [{**one, "kind": kind} for one in await self._all(API, plural)]
        return found

    async def registration_file(self, namespace: str, name: str) -> Json | None:
        """The registration as the chart rendered it, from the ConfigMap that it gives to the servers; None without one.

        Raises:
            ConfigError: it holds something else.
        """
        found = await self._client.find(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        text = ((found or {}).get("data") or {}).get("registration.yaml")
        source = f"ConfigMap {namespace}/{name}"
        return as_registration(read_yaml(text, source=source), source=source) if text else None

    async def served(self) -> set[ServedResource]:
        """All types that the cluster serves, by two questions of aggregated discovery (Kubernetes 1.30 and later)."""
        found: set[ServedResource] = set()
        for path in ("/api", "/apis"):
            try:
                answer = msgspec.convert(await self._client.get(path, accept=_DISCOVERY), _Groups)
            except msgspec.ValidationError:
                answer = _Groups()
            if answer.kind != "APIGroupDiscoveryList":
                raise ClusterError(f"{path}: the API server does not tell all that it serves at once")
            for group in answer.items:
                for one in (resource for version in group.versions for resource in version.resources):
                    scales = any(part.subresource == "scale" for part in one.subresources)
                    found.add(ServedResource(group.metadata.name, one.resource, scales))
        return found

    async def labels(self, namespace: str) -> Mapping[str, str]:
        """Of a namespace. Its name is always among them."""
        found = await self._client.find(f"/api/v1/namespaces/{namespace}")
        return {"kubernetes.io/metadata.name": namespace, **(((found or {}).get("metadata") or {}).get("labels") or {})}

    async def ready_endpoints(self, namespace: str, service: str) -> int:
        """How many addresses of a Service are ready."""
        query = {"labelSelector": f"kubernetes.io/service-name={service}"}
        listed = await self._client.get(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices", query)
        ready: set[str] = set()
        for piece in listed.get("items") or ():
            for endpoint in piece.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is not False:
                    ready |= set(endpoint.get("addresses") or ())
        return len(ready)

    async def pods(self, namespace: str, service: str) -> list[Json]:
        """The Pods behind a Service that are not about to end; at most fifty."""
        found = await self._client.find(f"/api/v1/namespaces/{namespace}/services/{service}")
        selector = ((found or {}).get("spec") or {}).get("selector") or {}
        if not selector:
            return []
        query = {
            "labelSelector": ",".join(f"{key}={value}" for key, value in sorted(selector.items())),
            "limit": str(_MAX_PODS),
        }
        listed = await self._client.get(f"/api/v1/namespaces/{namespace}/pods", query)
        return [one for one in listed.get("items") or () if not one["metadata"].get("deletionTimestamp")]

    async def told(self, pods: Sequence[Json], config: Config) -> dict[tuple[str, str], Told]:
        """What each replica tells at ``/rules``, asked through the API server."""
        answers = await asyncio.gather(*(self._told(pod, config.server.health_port) for pod in pods))
        return {
            (pod["metadata"]["namespace"], pod["metadata"]["name"]): one for pod, one in zip(pods, answers, strict=True)
        }

    async def certificate(self, namespace: str, secret: str) -> bytes | None:
        """The certificates of a TLS Secret, PEM; None if there is no such Secret. Its key is dropped unread."""
        found = await self._client.find(f"/api/v1/namespaces/{namespace}/secrets/{secret}")
        if found is None:
            return None
        try:
            return base64.b64decode((found.get("data") or {}).get("tls.crt") or "", validate=True)
        except (binascii.Error, TypeError, ValueError):
            return b""

    async def would_take(self, registration: Json) -> str:
        """Why the API server would not take this registration; empty if it would. Nothing is kept (dry run)."""
        metadata = registration.get("metadata") or {}
        tried = {**registration, "metadata": {"name": f"{metadata.get('name')}-doctor"}}
        try:
            await self._client.create(f"/apis/{API}/v1/{_VALIDATING}?dryRun=All&fieldValidation=Strict", tried)
        except ApiError as error:
            if error.code not in {400, 422}:
                raise
            return str(error)
        return ""

    async def clock(self) -> tuple[float, float]:
        """How many seconds the API server's clock is ahead of ours, and how many that may be wrong by."""
        before = dt.datetime.now(dt.UTC)
        text = await self._client.date()
        after = dt.datetime.now(dt.UTC)
        try:
            theirs = parsedate_to_datetime(text)
        except ValueError:
            raise ClusterError("the API server does not tell the time") from None
        way = (after - before).total_seconds()
        # Its second had begun somewhere before it was told.
        return (theirs - before).total_seconds() - way / 2 + 0.5, way / 2 + 0.5

    async def _told(self, pod: Json, fallback: int) -> Told:
        metadata = pod["metadata"]
        port = _health_port(pod) or fallback
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}:{port}/proxy/rules"
        before = dt.datetime.now(dt.UTC)
        try:
            answer = msgspec.json.decode(await self._client.read(path), type=_Rules)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Told(problem="its answer is not readable")
        except ClusterError as error:
            return Told(problem=str(error))
        ahead = ahead_of(answer.time, before, dt.datetime.now(dt.UTC))
        return Told(answer.version, answer.workers, answer.certificate, ahead=ahead)

    async def _served(self, resource: ResourceType) -> list[Json]:
        version = await served_version(self._client, resource)
        return [] if version is None else [one async for one in list_objects(self._client, resource, version)]

    async def _all(self, group: str, plural: str) -> list[Json]:
        return [one async for one in list_objects(self._client, ResourceType(group, ("v1",), plural), "v1")]


def _health_port(pod: Json) -> int:
    containers: list[Any] = (pod.get("spec") or {}).get("containers") or []
    ports = (port for container in containers for port in container.get("ports") or ())
    return next((int(port["containerPort"]) for port in ports if port.get("name") == "health"), 0)


def unreachable(error: ClusterError) -> bool:
    """Whether nobody answered at all."""
    return isinstance(error, UnreachableError)
