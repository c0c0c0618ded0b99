"""What a cluster holds that makes, holds or uses Secrets, read page by page; of Secrets their metadata alone."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from gateway.config.model import Cluster
from gateway.core.errors import ClusterError
from gateway.kube import KubeClient, connect
from gateway.kube.errors import ApiError
from gateway.kube.lists import list_objects
from gateway.kube.resource import ResourceType, served_version
from gateway_secrets.graph.build import Builder
from gateway_secrets.graph.model import Graph

_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class _Read(NamedTuple):
    """``part``: what cannot be said of the graph if these cannot be read. ``metadata``: no more is asked for."""

    resource: ResourceType
    kind: str
    part: str
    metadata: bool = False
    namespaced: bool = True


_ESO = ("external-secrets.io", ("v1", "v1beta1"))
_ALL = (
    _Read(ResourceType("", ("v1",), "secrets"), "Secret", "makers", metadata=True),
    _Read(ResourceType(*_ESO, "externalsecrets"), "ExternalSecret", "makers"),
    _Read(ResourceType(*_ESO, "secretstores"), "SecretStore", "stores"),
    _Read(ResourceType(*_ESO, "clustersecretstores"), "ClusterSecretStore", "stores", namespaced=False),
    _Read(ResourceType("bitnami.com", ("v1alpha1",), "sealedsecrets"), "SealedSecret", "makers"),
    _Read(ResourceType(_ESO[0], ("v1alpha1",), "pushsecrets"), "PushSecret", "users"),
    _Read(ResourceType("", ("v1",), "serviceaccounts"), "ServiceAccount", "users"),
    _Read(ResourceType("apps", ("v1",), "deployments"), "Deployment", "users"),
    _Read(ResourceType("apps", ("v1",), "statefulsets"), "StatefulSet", "users"),
    _Read(ResourceType("apps", ("v1",), "daemonsets"), "DaemonSet", "users"),
    _Read(ResourceType("apps", ("v1",), "replicasets"), "ReplicaSet", "users"),
    _Read(ResourceType("", ("v1",), "replicationcontrollers"), "ReplicationController", "users"),
    _Read(ResourceType("batch", ("v1",), "cronjobs"), "CronJob", "users"),
    _Read(ResourceType("batch", ("v1",), "jobs"), "Job", "users"),
    _Read(ResourceType("", ("v1",), "pods"), "Pod", "users"),
    _Read(ResourceType("networking.k8s.io", ("v1",), "ingresses"), "Ingress", "users"),
)


async def read_cluster(cluster: Cluster, namespace: str) -> tuple[Graph, list[str]]:
    """The graph of a cluster, or of one of its namespaces; and what could not be read.

    Raises:
        ClusterError: it cannot be connected to.
    """
    client = await connect(cluster)
    if client is None:  # auto, and no pod: as kubectl would
        client = await connect(msgspec.structs.replace(cluster, connect="kubeconfig"))
    assert client is not None  # noqa: S101 - "kubeconfig" connects or raises
    builder, problems, unread = Builder(), list[str](), set[str]()
    try:
        for one in _ALL:
            try:
                await _read(client, one, builder, namespace if one.namespaced else "")
            except ApiError as error:
                problems.append(f"{one.resource}: {error}")
                unread.add(one.part)
    finally:
        await client.close()
    if builder.problems:
        unread.add("makers")
    parts = {part: part not in unread for part in ("makers", "users", "stores")}
    return builder.graph(**parts), problems + builder.problems


async def _read(client: KubeClient, one: _Read, builder: Builder, namespace: str) -> None:
    version = await served_version(client, one.resource)
    if version is None:
        return
    group = f"{one.resource.group}/{version}" if one.resource.group else version
    accept = _METADATA if one.metadata else "application/json"
    async for item in list_objects(client, one.resource, version, namespace=namespace, accept=accept):
        if not isinstance(item, dict):
            raise ClusterError(f"{one.resource}: the answer is no list of objects")
        builder.add({**item, "apiVersion": group, "kind": one.kind})
