"""From results of Kyverno to findings and doubts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gateway.core.finding import Finding
from policies.builtin import finding, resource_of
from policies.kyverno.policy import KyvernoPolicies, KyvernoPolicy, KyvernoRule
from policies.kyverno.report import Result
from policies.rule import NAMESPACE, Asked
from policies.ruleset import Outcome, Undecided

_AUTOGEN = ("autogen-cronjob-", "autogen-")
_MAX_NAME = 63
_WITHHELD = "validation failed (Kyverno's message is withheld: it could quote the Secret)"


class Readings:
    """What results mean, by the policies they are about."""

    def __init__(self, policies: KyvernoPolicies) -> None:
        self._policies = {(policy.key, policy.cel): policy for policy in policies.policies}
        self._exceptions: dict[str, list[str]] = {}
        for document in policies.exceptions:
            metadata = document.get("metadata") or {}
            name, namespace = str(metadata.get("name", "")), str(metadata.get("namespace") or "default")
            self._exceptions.setdefault(name, []).append(f"policyexception/{namespace}/{name}")

    def outcome(
        self, asked: Asked, plan: Mapping[str, str], results: Sequence[Result], bare: Sequence[Result] = ()
    ) -> Outcome:
        """What Kyverno says about one object.

        Args:
            asked: the request.
            plan: rules that cannot be told here, with the reason: results of theirs are no answer.
            results: of all policies, exceptions honoured.
            bare: the same without exceptions, if there were any that held.
        """
        findings: dict[tuple[str, str], Finding] = {}
        undecided: dict[str, str] = {}
        judged = set()
        for result in results:
            policy, rule = self._about(result)
            if policy is None or not _reaches(policy, asked) or (rule is not None and rule.info.id in plan):
                continue
            named = rule.info.id if rule is not None else f"kyverno/{policy.key}"
            if result.doubt:
                undecided[named] = _doubt(result, asked)
            elif rule is not None:
                judged.add(named)
                if result.failed:
                    findings[named, result.message] = _finding(rule, result, asked)
        failing = {rule for rule, _ in findings}
        for result, name in self._excepted(results, bare):
            rule = self._about(result)[1]
            if rule is not None and rule.info.id not in (plan.keys() | failing | undecided.keys()):
                excepted = msgspec.structs.replace(_finding(rule, result, asked), exception=name)
                findings[rule.info.id, result.message] = excepted
        doubts = tuple(Undecided(rule, reason) for rule, reason in sorted(undecided.items()))
        return Outcome(tuple(findings[key] for key in sorted(findings)), doubts, len(judged | undecided.keys()))

    def _excepted(self, results: Sequence[Result], bare: Sequence[Result]) -> Iterable[tuple[Result, str]]:
        """Failures that there would be but for exceptions, with what excepts them."""
        held: dict[tuple[str, bool], list[str]] = {}
        for result in results:
            held.setdefault((result.policy, result.cel), []).extend(result.exceptions)
        for result in bare:
            names = held.get((result.policy, result.cel))
            if result.failed and names:
                yield result, ", ".join(dict.fromkeys(full for name in names for full in self._names(name)))

    def _names(self, name: str) -> list[str]:
        known = self._exceptions.get(name, [])
        return known if len(known) == 1 else [f"policyexception/{name}"]

    def _about(self, result: Result) -> tuple[KyvernoPolicy | None, KyvernoRule | None]:
        """The policy and its validating rule; no rule for one that mutates, or generates."""
        policy = self._policies.get((result.policy, result.cel))
        if policy is None:
            return None, None
        if policy.cel:
            return policy, policy.rules[0]
        stated = {rule.name: rule for rule in policy.rules}
        extended = {f"{prefix}{rule.name}"[:_MAX_NAME]: rule for prefix in _AUTOGEN for rule in policy.rules}
        return policy, stated.get(result.rule) or extended.get(result.rule)


def _reaches(policy: KyvernoPolicy, asked: Asked) -> bool:
    """Kyverno's command line asks a namespaced ValidatingPolicy about other namespaces' objects too."""
    return policy.namespace in ("", asked.subject.object_namespace or "default")


def _finding(rule: KyvernoRule, result: Result, asked: Asked) -> Finding:
    subject = asked.subject
    labels = ((asked.namespace or {}).get("metadata") or {}).get("labels") or {}
    action = rule.failing.action(subject.object_namespace, labels if NAMESPACE in asked.known else {})
    message = " ".join(result.message.split()) or "validation failed"
    if _secret(asked):
        message = rule.text if rule.text and "{{" not in rule.text else _WITHHELD
    found = finding(rule.info, resource_of(asked), result.field, message)
    return msgspec.structs.replace(found, action=action)


def _doubt(result: Result, asked: Asked) -> str:
    return (
        "the rule failed (its message is withheld: it could quote the Secret)" if _secret(asked) else result.doubt[:500]
    )


def _secret(asked: Asked) -> bool:
    return asked.subject.kind.kind == "Secret"
