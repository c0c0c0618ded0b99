"""The ClusterExternalSecret: in which namespaces there shall be which ExternalSecret, and what it says of that. Pure.

Source: ``apis/externalsecrets/v1/clusterexternalsecret_types.go`` and ``pkg/controllers/clusterexternalsecret`` of ESO. As
there, one that is not its own is never written over, and labels and annotations are those of ``externalSecretMetadata``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from gateway.core.durations import parse_duration
from gateway_secrets.external.spec import API_VERSION, GROUP, KIND, Json, without_nulls
from gateway_secrets.external.store import Selector

CLUSTER_KIND = "ClusterExternalSecret"
FORCE_SYNC = "external-secrets.io/force-sync"
"""An annotation that is passed on, so that all are read again at once."""
FAILED = "one or more namespaces failed"
READY = "Ready"


class Pairs(msgspec.Struct, frozen=True):
    """``externalSecretMetadata``."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class ClusterSpec(msgspec.Struct, frozen=True, rename="camel"):
    """``spec``. What the ExternalSecrets say is not read here."""

    external_secret_spec: dict[str, Any]
    external_secret_name: str = ""
    external_secret_metadata: Pairs = Pairs()
    namespace_selector: Selector | None = None
    namespace_selectors: tuple[Selector, ...] = ()
    namespaces: tuple[str, ...] = ()
    refresh_time: str = ""

    def refresh_seconds(self) -> float | None:
        """When it is looked at again if nothing changes; None: never.

        Raises:
            ValueError: it is no duration.
        """
        seconds = parse_duration(self.refresh_time) if self.refresh_time else 0.0
        return seconds if seconds > 0 else None

    def selects(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether there shall be one in a namespace: by its name, or by any of the selectors."""
        selectors = (
            *([self.namespace_selector] if self.namespace_selector is not None else []),
            *self.namespace_selectors,
        )
        return namespace in self.namespaces or any(one.selects(labels) for one in selectors)


class ClusterExternal(msgspec.Struct, frozen=True):
    """One object. ``resync``: what its annotation :data:`FORCE_SYNC` says."""

    name: str
    uid: str
    resync: str | None
    spec: ClusterSpec

    @property
    def external_name(self) -> str:
        """Of the ExternalSecrets."""
        return self.spec.external_secret_name or self.name


class Place(msgspec.Struct, frozen=True):
    """A namespace. ``ending``: it is being deleted."""

    labels: dict[str, str] = {}
    ending: bool = False


class Act(StrEnum):
    """What is done about one ExternalSecret."""

    CREATE = "create"
    REPLACE = "replace"
    DELETE = "delete"


class Step(msgspec.Struct, frozen=True):
    """``document``: as it shall be; for delete, as it is."""

    act: Act
    namespace: str
    document: Json


class Plan(msgspec.Struct, frozen=True):
    """``wanted``: the namespaces that shall have one; ``failed``: those of them that cannot, and why."""

    wanted: tuple[str, ...]
    steps: tuple[Step, ...]
    failed: dict[str, str]


def cluster_of(document: Json) -> ClusterExternal:
    """One object as the API server gives it.

    Raises:
        msgspec.ValidationError: it is none; the text names the path below ``spec``.
    """
    metadata = document["metadata"]
    resync = (metadata.get("annotations") or {}).get(FORCE_SYNC)
    spec = msgspec.convert(without_nulls(document.get("spec") or {}), ClusterSpec)
    return ClusterExternal(str(metadata.get("name")), str(metadata.get("uid") or ""), resync, spec)


def plan(
    about: ClusterExternal,
    places: Mapping[str, Place],
    present: Mapping[str, Json | None],
    own: Iterable[Json],
    settled: Mapping[str, tuple[bytes, bytes]],
) -> Plan:
    """What to do.

    Args:
        about: the object.
        places: all namespaces.
        present: by namespace, the ExternalSecrets of the name that they shall have; None where it is another's.
        own: all ExternalSecrets that are its own, whatever they are called.
        settled: by namespace, what was written last, and what the API server made of it with its defaults.
    """
    wanted = tuple(
        sorted(name for name, place in places.items() if not place.ending and about.spec.selects(name, place.labels))
    )
    steps, failed = list[Step](), dict[str, str]()
    for namespace in wanted:
        if namespace not in present:
            steps.append(Step(Act.CREATE, namespace, wanted_in(about, namespace, {})))
            continue
        there = present[namespace]
        if there is None:
            failed[namespace] = f"there is an ExternalSecret {about.external_name} already, which is not its own"
        elif there["metadata"].get("deletionTimestamp"):
            failed[namespace] = f"the ExternalSecret {about.external_name} is being deleted"
        else:
            shall = wanted_in(about, namespace, there)
            if said(shall) != said(there) and settled.get(namespace) != (said(shall), said(there)):
                steps.append(Step(Act.REPLACE, namespace, shall))
    keep = frozenset(wanted)
    for document in own:
        metadata = document["metadata"]
        namespace, ending = str(metadata["namespace"]), metadata.get("deletionTimestamp")
        if not ending and (namespace not in keep or metadata["name"] != about.external_name):
            steps.append(Step(Act.DELETE, namespace, document))
    return Plan(wanted, tuple(steps), failed)


def wanted_in(about: ClusterExternal, namespace: str, there: Json) -> Json:
    """The ExternalSecret of a namespace, made of the one that is there."""
    pairs = about.spec.external_secret_metadata
    annotations = dict(pairs.annotations)
    annotations.pop(FORCE_SYNC, None)
    if about.resync is not None:
        annotations[FORCE_SYNC] = about.resync
    before = there.get("metadata") or {}
    owners = [one for one in before.get("ownerReferences") or [] if not one.get("controller")]
    owners.append({
        "apiVersion": API_VERSION, "kind": CLUSTER_KIND, "name": about.name, "uid": about.uid,
        "controller": True, "blockOwnerDeletion": True,
    })  # fmt: skip
    metadata = before | {
        "name": about.external_name,
        "namespace": namespace,
        "labels": pairs.labels,
        "annotations": annotations,
        "ownerReferences": owners,
    }
    return there | {
        "apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": about.spec.external_secret_spec,
    }  # fmt: skip


def said(external: Json) -> bytes:
    """What of an ExternalSecret is its ClusterExternalSecret's, as text that can be compared."""
    metadata = external["metadata"]
    owner = owner_of(metadata)
    parts = [external.get("spec"), metadata.get("labels") or {}, metadata.get("annotations") or {}, owner]
    return msgspec.json.encode(parts, order="deterministic")


def owner_of(metadata: Json) -> tuple[str, str]:
    """Name and uid of the ClusterExternalSecret that an ExternalSecret is of; empty if it is of none."""
    for one in metadata.get("ownerReferences") or []:
        group = str(one.get("apiVersion")).partition("/")[0]
        if one.get("controller") is True and (group, one.get("kind")) == (GROUP, CLUSTER_KIND):
            return str(one.get("name") or ""), str(one.get("uid") or "")
    return "", ""


def status_of(
    status: Json, external_name: str, wanted: Iterable[str], failed: Mapping[str, str], problem: str = ""
) -> Json:
    """The status that it shall have. ``problem``: why nothing was done at all."""
    message = problem[:1000] or (FAILED if failed else "")
    condition = {"type": READY, "status": "False" if message else "True", **({"message": message} if message else {})}
    others = [one for one in status.get("conditions") or [] if isinstance(one, dict) and one.get("type") != READY]
    shall: Json = {**status, "conditions": [*others, condition]}
    if problem:
        return shall
    lists = {
        "failedNamespaces": [{"namespace": name, "reason": failed[name]} for name in sorted(failed)],
        "provisionedNamespaces": [name for name in sorted(wanted) if name not in failed],
    }
    shall["externalSecretName"] = external_name
    for name, listed in lists.items():
        shall.pop(name, None)
        if listed:
            shall[name] = listed
    return shall
