"""ClusterExternalSecret and ClusterPushSecret: in which namespaces there shall be which ExternalSecret or PushSecret, and what
they say of that. Pure.

Source: ``apis/externalsecrets`` and ``pkg/controllers``, ``clusterexternalsecret`` and ``clusterpushsecret``, of ESO. As there, one
that is not its own is never written over, and labels and annotations are those of ``externalSecretMetadata``, ``pushSecretMetadata``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, ClassVar

import msgspec

from gateway.core.durations import parse_duration
from gateway_secrets.external import push_spec
from gateway_secrets.external.spec import API_VERSION, GROUP, KIND, Json, without_nulls
from gateway_secrets.external.store import Selector

CLUSTER_KIND = "ClusterExternalSecret"
CLUSTER_PUSH = "ClusterPushSecret"
FORCE_SYNC = "external-secrets.io/force-sync"
"""An annotation that is passed on, so that all are read again at once."""
FAILED = "one or more namespaces failed"
READY = "Ready"


class Pairs(msgspec.Struct, frozen=True):
    """``externalSecretMetadata`` or ``pushSecretMetadata``."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _Spec(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What both have."""

    namespace_selectors: tuple[Selector, ...] = ()
    refresh_time: str = ""

    def refresh_seconds(self) -> float | None:
        """When it is looked at again if nothing changes; None: never.

        Raises:
            ValueError: it is no duration.
        """
        seconds = parse_duration(self.refresh_time) if self.refresh_time else 0.0
        return seconds if seconds > 0 else None

    def labelled(self, labels: Mapping[str, str]) -> bool:
        """Whether any of the selectors selects a namespace."""
        return any(one.selects(labels) for one in self.namespace_selectors)


class ClusterSpec(_Spec, frozen=True, rename="camel", kw_only=True):
    """``spec`` of a ClusterExternalSecret. What the ExternalSecrets say is not read here."""

    external_secret_spec: dict[str, Any]
    external_secret_name: str = ""
    external_secret_metadata: Pairs = Pairs()
    namespace_selector: Selector | None = None
    namespaces: tuple[str, ...] = ()

    @property
    def made(self) -> tuple[str, Pairs, dict[str, Any]]:
        """Name, metadata and spec of what is made."""
        return self.external_secret_name, self.external_secret_metadata, self.external_secret_spec

    def selects(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether there shall be one in a namespace: by its name, or by any of the selectors."""
        if namespace in self.namespaces or self.labelled(labels):
            return True
        return self.namespace_selector is not None and self.namespace_selector.selects(labels)


class ClusterPushSpec(_Spec, frozen=True, rename="camel", kw_only=True):
    """``spec`` of a ClusterPushSecret, which names no namespaces. What the PushSecrets say is not read here."""

    namespaces: ClassVar[tuple[str, ...]] = ()

    push_secret_spec: dict[str, Any]
    push_secret_name: str = ""
    push_secret_metadata: Pairs = Pairs()

    @property
    def made(self) -> tuple[str, Pairs, dict[str, Any]]:
        """Name, metadata and spec of what is made."""
        return self.push_secret_name, self.push_secret_metadata, self.push_secret_spec

    def selects(self, _: str, labels: Mapping[str, str]) -> bool:
        """Whether there shall be one in a namespace of these labels."""
        return self.labelled(labels)


class ClusterKind(msgspec.Struct, frozen=True):
    """A kind that makes objects of another one. ``prefix``: of its fields that say of that. ``resyncs``: it passes on
    :data:`FORCE_SYNC`. ``lingers``: one that is deleted takes away what it did, which is not to be what another one does.
    """

    kind: str
    api_version: str
    made: str
    prefix: str
    spec: type[ClusterSpec | ClusterPushSpec]
    resyncs: bool = False
    lingers: bool = False

    @property
    def one(self) -> str:
        """What is made, with its article."""
        return f"{'an' if self.made[0] in 'AEIOU' else 'a'} {self.made}"


OF_EXTERNALS = ClusterKind(CLUSTER_KIND, API_VERSION, KIND, "externalSecret", ClusterSpec, resyncs=True)
OF_PUSHES = ClusterKind(
    CLUSTER_PUSH, push_spec.API_VERSION, push_spec.KIND, "pushSecret", ClusterPushSpec, lingers=True
)


class ClusterExternal(msgspec.Struct, frozen=True):
    """One object. ``resync``: what its annotation :data:`FORCE_SYNC` says."""

    name: str
    uid: str
    resync: str | None
    spec: ClusterSpec | ClusterPushSpec
    of: ClusterKind = OF_EXTERNALS

    @property
    def external_name(self) -> str:
        """Of what is made."""
        return self.spec.made[0] or self.name


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


def cluster_of(document: Json, of: ClusterKind = OF_EXTERNALS) -> ClusterExternal:
    """One object as the API server gives it. ``of``: its kind.

    Raises:
        msgspec.ValidationError: it is none; the text names the path below ``spec``.
    """
    metadata = document["metadata"]
    resync = (metadata.get("annotations") or {}).get(FORCE_SYNC)
    spec = msgspec.convert(without_nulls(document.get("spec") or {}), of.spec)
    return ClusterExternal(str(metadata.get("name")), str(metadata.get("uid") or ""), resync, spec, of)


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
        present: by namespace, those of the name that they shall have; None where it is another's.
        own: all that are its own, whatever they are called.
        settled: by namespace, what was written last, and what the API server made of it with its defaults.
    """
    wanted = tuple(
        sorted(name for name, place in places.items() if not place.ending and about.spec.selects(name, place.labels))
    )
    steps, failed = list[Step](), dict[str, str]()
    own = list(own)
    former = (
        {str(one["metadata"]["namespace"]): str(one["metadata"]["name"]) for one in own} if about.of.lingers else {}
    )
    for namespace in wanted:
        if namespace not in present and namespace in former:
            failed[namespace] = f"the {about.of.made} {former[namespace]} is being deleted"
            continue
        if namespace not in present:
            steps.append(Step(Act.CREATE, namespace, wanted_in(about, namespace, {})))
            continue
        there = present[namespace]
        if there is None:
            failed[namespace] = f"there is {about.of.one} {about.external_name} already, which is not its own"
        elif there["metadata"].get("deletionTimestamp"):
            failed[namespace] = f"the {about.of.made} {about.external_name} is being deleted"
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
    """What shall be in a namespace, made of the one that is there."""
    _, pairs, spec = about.spec.made
    annotations = dict(pairs.annotations)
    if about.of.resyncs:
        annotations.pop(FORCE_SYNC, None)
    if about.of.resyncs and about.resync is not None:
        annotations[FORCE_SYNC] = about.resync
    before = there.get("metadata") or {}
    owners = [one for one in before.get("ownerReferences") or [] if not one.get("controller")]
    owners.append({
        "apiVersion": about.of.api_version, "kind": about.of.kind, "name": about.name, "uid": about.uid,
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
        "apiVersion": about.of.api_version, "kind": about.of.made, "metadata": metadata, "spec": spec,
    }  # fmt: skip


def said(external: Json) -> bytes:
    """What of an object is that one's which made it, as text that can be compared."""
    metadata = external["metadata"]
    owner = owner_of(metadata, *(of.kind for of in (OF_EXTERNALS, OF_PUSHES)))
    parts = [external.get("spec"), metadata.get("labels") or {}, metadata.get("annotations") or {}, owner]
    return msgspec.json.encode(parts, order="deterministic")


def owner_of(metadata: Json, *kinds: str) -> tuple[str, str]:
    """Name and uid of the one that an object is of; empty if it is of none. ``kinds``: a ClusterExternalSecret, if none is said."""
    for one in metadata.get("ownerReferences") or []:
        group = str(one.get("apiVersion")).partition("/")[0]
        if one.get("controller") is True and group == GROUP and one.get("kind") in (kinds or (CLUSTER_KIND,)):
            return str(one.get("name") or ""), str(one.get("uid") or "")
    return "", ""


def status_of(
    status: Json,
    external_name: str,
    wanted: Iterable[str],
    failed: Mapping[str, str],
    problem: str = "",
    *,
    of: ClusterKind = OF_EXTERNALS,
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
    shall[f"{of.prefix}Name"] = external_name
    for name, listed in lists.items():
        shall.pop(name, None)
        if listed:
            shall[name] = listed
    return shall
