"""Secrets, SealedSecrets and ExternalSecrets as they are written: facts are gathered here, and what is decided of them is pure.

The same at admission and in a check of files. Of other Secrets of the cluster the metadata alone is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from gateway.config.model import Config
from gateway.config.secrets import Secrets, SecretWriter
from gateway.core.errors import ClusterError, UndecidedError
from gateway.core.finding import Action, Finding, Resource
from gateway.core.subject import Json, Subject
from gateway.kube import KubeClient, ResourceType
from gateway.native.library import NativeMissingError
from gateway_secrets.admission import plain, targets
from gateway_secrets.admission.reading import section, texts
from gateway_secrets.admission.rules import CERTIFICATE, ELSEWHERE, PLAIN, RULES, SCOPE, TARGET, finding, least
from gateway_secrets.external.faults import PREFIX
from gateway_secrets.external.faults import RULES as EXTERNAL_RULES
from gateway_secrets.external.findings import Heed, findings_of
from gateway_secrets.external.validate import OBJECTS
from gateway_secrets.sealed.errors import InputError
from gateway_secrets.sealed.moved import Difference, Moved, hinted, moved
from gateway_secrets.sealed.objects import KIND as SEALED_KIND
from gateway_secrets.sealed.objects import Sealed, field_at, sealed_of
from gateway_secrets.sealed.records import read_notes
from policies.rule import RuleInfo
from policies.surroundings import Surroundings

SECRETS = ResourceType("", ("v1",), "secrets")
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_RULE_OF = {Difference.PLACE: ELSEWHERE, Difference.SCOPE: SCOPE}
_DECIDES = frozenset((("", "Secret"), ("bitnami.com", SEALED_KIND), *OBJECTS))

INFOS = {
    rule.id: RuleInfo(rule.id, rule.title, rule.severity, rule.action, sets=("secrets",), kinds=(rule.kind,))
    for rule in RULES.values()
} | {
    f"{PREFIX}{name}": RuleInfo(
        f"{PREFIX}{name}", rule.title, rule.severity, rule.action, sets=("secrets",), kinds=rule.kinds
    )
    for name, rule in EXTERNAL_RULES.items()
}


class OtherSecrets(Protocol):
    """What is known of Secrets that are there."""

    async def __call__(self, namespace: str, name: str) -> Json | None:
        """The metadata of one, below ``metadata``; None if there is none.

        Raises:
            UndecidedError: that is not known.
        """
        ...


class ClusterSecrets:
    """Those of a connected cluster, asked for one by one."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def __call__(self, namespace: str, name: str) -> Json | None:
        """As :class:`OtherSecrets`."""
        try:
            return await self._client.find(SECRETS.path("v1", namespace, name), accept=_METADATA)
        except ClusterError as error:
            raise UndecidedError(f"whose Secret {namespace}/{name} is cannot be asked: {error}") from None


async def no_secrets(namespace: str, name: str) -> Json | None:
    """Where there is no cluster.

    Raises:
        UndecidedError: always.
    """
    raise UndecidedError(f"whose Secret {namespace}/{name} is, if it is there, is not known without the cluster")


def needs_namespaces(settings: Secrets) -> bool:
    """Whether labels of Namespaces decide."""
    return any(demand.namespace_labels for demand in settings.plain.demands)


def heed_of(config: Config, *, admitted: bool) -> Heed:
    """What findings about ExternalSecrets depend on. ``admitted``: whether objects come from an API server."""
    external, most = config.controller.external, config.secrets.external
    return Heed(
        Action.AUDIT if most == "off" else Action(most),
        resolved=external.enabled,
        admitted=admitted,
        least_refresh=external.min_refresh_seconds,
    )


class SecretObjects:
    """Judges objects of these kinds. ``admitted``: whether they come from an API server, which took them by their schemas."""

    def __init__(self, config: Config, around: Surroundings, others: OtherSecrets, *, admitted: bool) -> None:
        settings, own = config.secrets, config.cluster.own_namespace
        self._settings = settings
        self._heed = heed_of(config, admitted=admitted)
        self._around = around
        self._others = others
        ours = SecretWriter(name="govgate", groups=(f"system:serviceaccounts:{own}",))
        self._writers = (ours, *plain.BUILT_IN, *settings.plain.writers)
        self._certificates = frozenset(settings.sealed.certificates)

    def concerns(self, subject: Subject) -> bool:
        """Whether it has anything to say about such objects; cheap."""
        return (subject.kind.group, subject.kind.kind) in _DECIDES

    async def judge(self, subject: Subject) -> list[Finding]:
        """The findings about one object.

        Raises:
            UndecidedError: a fact that is needed could not be had.
        """
        match (subject.kind.group, subject.kind.kind):
            case ("", "Secret"):
                return await self._plain(subject)
            case ("bitnami.com", "SealedSecret"):
                return list(self._sealed(subject))
            case (targets.GROUP, kind):
                found = [] if self._settings.external == "off" else _unworkable(subject, self._heed)
                return found + await self._external(subject) if kind == targets.KIND else found
            case named if named in OBJECTS and self._settings.external != "off":
                return _unworkable(subject, self._heed)
            case _:
                return []

    async def _plain(self, subject: Subject) -> list[Finding]:
        settings, namespace = self._settings.plain, subject.object_namespace
        if not settings.demands:
            return []
        keys = plain.plain_keys(subject.object, namespace, helm_releases=settings.helm_releases)
        if not keys or plain.may_write(self._writers, subject.user, subject.object, namespace):
            return []
        labels = await self._namespace_labels(namespace)
        most = plain.demanded(settings.demands, subject.object, namespace, labels)
        if most == "off":
            return []
        new = plain.changed_keys(subject.object, subject.old_object, keys)
        said = f"holds values in plain text ({plain.named(new or keys)}), where Secrets come sealed or from a store"
        return [finding(PLAIN, _about(subject), "", said, Action(most) if new else Action.AUDIT)]

    async def _namespace_labels(self, name: str) -> dict[str, str] | None:
        if not needs_namespaces(self._settings):
            return None
        found = self._around.namespace(name) or await self._around.look(name)
        return texts(section(found, "metadata"), "labels") if found is not None else None

    def _sealed(self, subject: Subject) -> Iterator[Finding]:
        """What was found before the request is recorded, no more."""
        sealed, before = (_read(subject, document) for document in (subject.object, subject.old_object))
        if sealed is None:
            return
        about, most = _about(subject), self._settings.sealed.elsewhere
        was = {(one.key, one.difference) for one in moved(before)} if before is not None else set()
        for one in moved(sealed, before) if most != "off" else ():
            stood = (one.key, one.difference) in was and before is not None and _kept(one, sealed, before)
            limit = Action.AUDIT if stood else Action(most)
            yield finding(_RULE_OF[one.difference], about, field_at("spec.encryptedData", one.key), one.message, limit)
        hint = hinted(sealed) if most != "off" else None
        if hint is not None:
            limit = Action.AUDIT if before is not None and hinted(before) == hint else Action.WARN
            yield finding(ELSEWHERE, about, *hint, least(Action(most), limit))
        for key, note in read_notes(sealed.annotations, sealed.values).values.items() if self._certificates else ():
            if note.fingerprint not in self._certificates:
                said = f"is noted as sealed with certificate {note.fingerprint[:16]}…, which is none of this cluster's"
                yield finding(CERTIFICATE, about, field_at("spec.encryptedData", key), said, Action.WARN)

    async def _external(self, subject: Subject) -> list[Finding]:
        most = self._settings.foreign_targets
        target = targets.target_of(subject.object, subject.name)
        if most == "off" or target is None or not target.name:
            return []
        if subject.raw_old_object and targets.target_of(subject.old_object, subject.name) == target:
            return []  # it was judged when it was written first
        secret = await self._others(subject.object_namespace, target.name)
        found = targets.foreign(target, subject.name, secret)
        if found is None:
            return []
        whose, limit = found
        said = f"would write over Secret {target.name} (creationPolicy {target.policy}), {whose}"
        return [finding(TARGET, _about(subject), "spec.target.name", said, least(Action(most), limit))]


def _unworkable(subject: Subject, heed: Heed) -> list[Finding]:
    """What is wrong with an ExternalSecret or a store of such by itself; what was wrong before the request is recorded."""
    about, kind = _about(subject), {"apiVersion": subject.kind.api_version, "kind": subject.kind.kind}
    try:
        old = findings_of(subject.old_object | kind, about, heed) if subject.raw_old_object else []
        new = findings_of(subject.object | kind, about, heed)
    except NativeMissingError as error:
        raise UndecidedError(str(error)) from None
    before = {one.id for one in old}
    return [msgspec.structs.replace(one, action=Action.AUDIT) if one.id in before else one for one in new]


def _read(subject: Subject, document: Json) -> Sealed | None:
    """A SealedSecret of the request; None if it is none that can be read, which others tell of."""
    metadata = {**section(document, "metadata"), "name": subject.name, "namespace": subject.object_namespace}
    try:
        return sealed_of({**document, "metadata": metadata}, where="the object") if document else None
    except InputError:
        return None


def _kept(one: Moved, sealed: Sealed, before: Sealed) -> bool:
    return sealed.values[one.key] == before.values.get(one.key) and sealed.scope == before.scope


def _about(subject: Subject) -> Resource:
    return Resource(subject.kind.api_version, subject.kind.kind, subject.object_namespace, subject.name)


class Said(msgspec.Struct, frozen=True):
    """What was found about one object, and why it could not be decided; empty if it could."""

    findings: tuple[Finding, ...] = ()
    undecided: str = ""


async def said_of(objects: SecretObjects, subject: Subject) -> Said:
    """The same as a value: undecided is an answer."""
    try:
        return Said(tuple(await objects.judge(subject)))
    except UndecidedError as error:
        return Said(undecided=str(error))
