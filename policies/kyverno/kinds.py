"""Which objects a policy may concern, by their kind alone: never fewer than it does.

What is told apart here is only whom to ask; whether a policy matches an object is Kyverno's to decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from gateway.core.subject import Json, Subject

CONTROLLERS = (
    "DaemonSet",
    "Deployment",
    "Job",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
    "CronJob",
)
"""To whose pod templates Kyverno extends rules about Pods; which of them, its annotation may say."""
ANY = ("*",)
CLUSTER_SCOPED = frozenset(
    (
        "APIService",
        "CSIDriver",
        "CSINode",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "FlowSchema",
        "IngressClass",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
    )
)
"""Kubernetes' own kinds without a namespace. Any other object without one Kyverno takes for one of ``default``."""


def rule_kinds(rule: Json) -> tuple[str, ...]:
    """The kinds (globs) that a rule of a ClusterPolicy or Policy may match; Pods stand for their controllers too."""
    found: list[str] = []
    for block in _blocks(rule.get("match")):
        resources = block.get("resources")
        stated = resources.get("kinds") if isinstance(resources, dict) else None
        found += [_kind(str(selector)) for selector in stated] if stated else ANY
    return _with_controllers(found, "Pod", CONTROLLERS) or ANY


def constraint_resources(constraints: Any) -> tuple[str, ...]:
    """The resources (plural, globs) that a ValidatingPolicy's ``matchConstraints`` may match."""
    rules = constraints.get("resourceRules") if isinstance(constraints, dict) else None
    found = [str(name).partition("/")[0] for rule in rules or () for name in rule.get("resources") or ()]
    return _with_controllers(found, "pods", tuple(guessed_plural(kind) for kind in CONTROLLERS)) or ANY


def kind_concerned(kinds: Sequence[str], subject: Subject) -> bool:
    """Whether one of ``kinds`` is the object's."""
    return any(fnmatchcase(subject.kind.kind, kind) for kind in kinds)


def resource_concerned(resources: Sequence[str], subject: Subject) -> bool:
    """Whether one of ``resources`` may be the object's plural."""
    return any(fnmatchcase(plural, name) for name in resources for plural in _plurals(subject))


def misnamed(resources: Sequence[str], subject: Subject) -> str:
    """What Kyverno's command line takes the object's plural for, where it does not see that a policy matches it.

    It guesses plurals (apimachinery's ``UnsafeGuessKindToResource``), and is wrong about ``gateways``.
    """
    guess = guessed_plural(subject.kind.kind)
    if any(fnmatchcase(guess, name) for name in resources) or not resource_concerned(resources, subject):
        return ""
    return guess


def guessed_plural(kind: str) -> str:
    """The plural as Kyverno's command line makes it."""
    singular = kind.lower()
    if singular.endswith("endpoints"):
        return singular
    if singular.endswith("s"):
        return singular + "es"
    return singular[:-1] + "ies" if singular.endswith("y") else singular + "s"


def _plurals(subject: Subject) -> set[str]:
    singular = subject.kind.kind.lower()
    likely = {singular, singular + "s", singular + "es", guessed_plural(singular)}
    return likely | ({subject.resource.resource} if subject.resource.resource else set())


def _blocks(match: Any) -> Iterator[Json]:
    """The parts of a ``match`` that select resources."""
    if not isinstance(match, dict):
        return
    parts = [*(match.get("any") or ()), *(match.get("all") or ())] or [match]
    yield from (part for part in parts if isinstance(part, dict))


def _kind(selector: str) -> str:
    """The kind in ``Kind``, ``version/Kind``, ``group/version/Kind``, each perhaps with a subresource."""
    named = [part for part in selector.split("/") if part[:1].isupper()]
    return named[0].partition(".")[0] if named else "*"


def _with_controllers(found: list[str], pods: str, controllers: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*found, *controllers) if pods in found else found))
