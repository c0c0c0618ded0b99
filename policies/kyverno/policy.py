"""What Kyverno's documents state: policies whose validation is judged, exceptions, and what is not judged at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from gateway.core.subject import Json, Subject
from policies.engine import Diagnostic, RulesError
from policies.kyverno.actions import Failing, failing_of, failing_of_cel, severity_of
from policies.kyverno.kinds import constraint_resources, kind_concerned, misnamed, resource_concerned, rule_kinds
from policies.kyverno.needs import beyond, needs_of
from policies.rule import NAMESPACE, RuleInfo

GROUPS = ("kyverno.io/", "policies.kyverno.io/")
WITNESS = "govgate-witness"
"""A policy of ours that every object passes: by it, one knows that Kyverno has judged the object."""
VALIDATION = "validation"
"""What the one rule of a ValidatingPolicy is called: Kyverno gives it no name."""

_CLASSIC = {"ClusterPolicy", "Policy"}
_CEL = {"ValidatingPolicy", "NamespacedValidatingPolicy"}
_EXCEPTION = "PolicyException"
_UNNAMEABLE = re.compile(r"[^A-Za-z0-9._-]")


class KyvernoRule(msgspec.Struct, frozen=True):
    """One validating rule. ``name`` as Kyverno has it, empty in a ValidatingPolicy.

    ``concerns``: kinds, or resources in a ValidatingPolicy; ``needs``: see :func:`policies.kyverno.needs.needs_of`;
    ``unjudged``: why it is never judged; ``text``: its own message.
    """

    info: RuleInfo
    name: str
    failing: Failing
    concerns: tuple[str, ...]
    needs: tuple[str, ...]
    unjudged: str = ""
    text: str = ""


class KyvernoPolicy(msgspec.Struct, frozen=True):
    """One policy. ``key`` is how Kyverno's reports name it: ``name``, or ``namespace/name``; ``cel``: a ValidatingPolicy."""

    key: str
    namespace: str
    cel: bool
    document: Json
    rules: tuple[KyvernoRule, ...]
    source: str

    @property
    def withheld(self) -> bool:
        """Whether Kyverno is not to see it: it would ask the cluster, a registry or the network, or judge nothing."""
        return all(rule.unjudged for rule in self.rules)

    @property
    def background(self) -> bool:
        """Whether it is about objects that exist, too: yes, unless it says otherwise."""
        spec = self.document.get("spec") or {}
        if not self.cel:
            return spec.get("background") is not False
        stated = (spec.get("evaluation") or {}).get("background") or {}
        return stated.get("enabled") is not False

    def concerned(self, subject: Subject) -> list[KyvernoRule]:
        """The rules that may concern the object, by its kind and namespace."""
        if self.namespace and subject.object_namespace != self.namespace:
            return []
        return self.about(subject)

    def about(self, subject: Subject) -> list[KyvernoRule]:
        """The rules that may concern objects of its kind, wherever they are."""
        concerned = resource_concerned if self.cel else kind_concerned
        return [rule for rule in self.rules if concerned(rule.concerns, subject)]

    def unseen(self, rule: KyvernoRule, subject: Subject) -> str:
        """Why Kyverno's command line would not see that the rule is about the object; empty if it would."""
        guess = misnamed(rule.concerns, subject) if self.cel else ""
        return f"Kyverno's command line takes a {subject.kind.kind} for one of {guess}" if guess else ""


class KyvernoPolicies(msgspec.Struct, frozen=True):
    """All that was read. ``notes``: what Kyverno would do in a cluster and nothing does here, for a person."""

    policies: tuple[KyvernoPolicy, ...] = ()
    exceptions: tuple[Json, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rules(self) -> tuple[KyvernoRule, ...]:
        """The rules, in the order of their policies."""
        return tuple(rule for policy in self.policies for rule in policy.rules)


def standing(policies: KyvernoPolicies) -> KyvernoPolicies:
    """Those that are about objects that exist."""
    kept = tuple(policy for policy in policies.policies if policy.background)
    return msgspec.structs.replace(policies, policies=kept)


def is_kyverno(document: Json) -> bool:
    """Whether it is one of Kyverno's documents."""
    return str(document.get("apiVersion", "")).startswith(GROUPS)


def read_policies(documents: Iterable[tuple[str, int, Json]]) -> KyvernoPolicies:
    """What documents (with path and line) state.

    Raises:
        RulesError: one has no name, or the one of ours, or not the form of a policy; names file and line.
    """
    policies: list[KyvernoPolicy] = []
    exceptions: list[Json] = []
    notes: list[str] = []
    for path, line, document in documents:
        kind, where = str(document.get("kind", "")), f"{path}:{line}"
        try:
            if kind == _EXCEPTION:
                exceptions.append(document)
                continue
            policy = _read(kind, document, where)
        except (AttributeError, TypeError, ValueError, msgspec.ValidationError) as error:
            raise _wrong(path, line, f"this is no {kind or 'policy'}: {error}") from None
        if policy.rules:
            policies.append(policy)
        notes += _notes(kind, policy)
    keys = [(policy.key, policy.cel, policy.source) for policy in policies]
    for key, cel, source in keys:
        other = next(one for one in keys if one[:2] == (key, cel))
        if other[2] != source or key == WITNESS:
            path, _, line_text = source.rpartition(":")
            taken = "is govgate's own" if key == WITNESS else f"is that of {other[2]} too"
            raise _wrong(path, int(line_text), f"the name {key} {taken}")
    return KyvernoPolicies(tuple(policies), tuple(exceptions), tuple(notes))


def _read(kind: str, document: Json, where: str) -> KyvernoPolicy:
    metadata = document.get("metadata") or {}
    name, spec = metadata.get("name"), document.get("spec") or {}
    if not isinstance(name, str) or not name or not isinstance(spec, dict):
        raise ValueError("it has no name, or no spec")
    namespaced = kind.startswith("Namespaced") or kind == "Policy"
    namespace = str(metadata.get("namespace") or "default") if namespaced else ""
    key = f"{namespace}/{name}" if namespace else name
    rules: Sequence[KyvernoRule] = ()
    if kind in _CLASSIC:
        rules = _classic_rules(key, document, where)
    elif kind in _CEL and _evaluation(spec) == "Kubernetes":
        rules = (_cel_rule(key, document, where),)
    if namespace:
        document = {**document, "metadata": {**metadata, "namespace": namespace}}
    return KyvernoPolicy(key, namespace, kind in _CEL, document, tuple(rules), where)


def _classic_rules(key: str, document: Json, where: str) -> list[KyvernoRule]:
    spec = document["spec"]
    whole = beyond(spec)
    found = []
    for rule in spec.get("rules") or ():
        if not rule.get("validate"):
            continue
        failing = failing_of(spec, rule)
        needs = set(needs_of(rule))
        if any(override.selector for step in failing.steps if not isinstance(step, str) for override in step):
            needs.add(NAMESPACE)
        text = str(rule["validate"].get("message") or "")
        kinds, name = rule_kinds(rule), str(rule.get("name", ""))
        info = _info(
            f"kyverno/{key}/{_UNNAMEABLE.sub('-', name)}", name, document, failing=failing, kinds=kinds, where=where
        )
        found.append(KyvernoRule(info, name, failing, kinds, tuple(sorted(needs)), whole, text))
    return found


def _cel_rule(key: str, document: Json, where: str) -> KyvernoRule:
    spec = document["spec"]
    failing, resources = failing_of_cel(spec), constraint_resources(spec.get("matchConstraints"))
    info = _info(f"kyverno/{key}/{VALIDATION}", "", document, failing=failing, kinds=resources, where=where)
    return KyvernoRule(info, "", failing, resources, needs_of(spec), beyond(spec))


def _info(rule: str, name: str, document: Json, *, failing: Failing, kinds: tuple[str, ...], where: str) -> RuleInfo:
    metadata = document["metadata"]
    annotations = metadata.get("annotations") or {}
    title = str(annotations.get("policies.kyverno.io/title") or metadata["name"])
    return RuleInfo(
        id=rule,
        title=f"{title}: {name}" if name else title,
        severity=severity_of(annotations),
        action=failing.action(),
        description=" ".join(str(annotations.get("policies.kyverno.io/description", "")).split()),
        kinds=kinds,
        source=f"{document['kind']} {where}",
    )


def _notes(kind: str, policy: KyvernoPolicy) -> list[str]:
    """What is not judged of a policy, and why."""
    if not policy.rules:
        what = _evaluation(policy.document["spec"]) if kind in _CEL else ""
        why = f"it is about {what}" if what else "it validates nothing"
        return [f"{policy.source}: {kind} {policy.key} is not judged: {why}"]
    reason = policy.rules[0].unjudged
    if reason:
        return [f"{policy.source}: {kind} {policy.key} cannot be judged without a cluster: it {reason}"]
    others = [rule for rule in policy.document["spec"].get("rules") or () if not rule.get("validate")]
    names = ", ".join(str(rule.get("name", "")) for rule in others)
    return (
        [f"{policy.source}: {kind} {policy.key}: rules that do not validate are not judged: {names}"] if names else []
    )


def _evaluation(spec: Any) -> str:
    return str((spec.get("evaluation") or {}).get("mode") or "Kubernetes")


def _wrong(path: str, line: int, text: str) -> RulesError:
    return RulesError([Diagnostic(path, line, 1, "document", text)])
