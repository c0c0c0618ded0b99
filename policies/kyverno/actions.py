"""What a finding of a Kyverno policy does: its failure action, there where the object is.

As Kyverno has it (``pkg/engine/api/engineresponse.go``): the rule's own overrides, the rule's action, the policy's
overrides, the policy's action; of several overrides the first that fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from gateway.core.finding import Action, Severity
from gateway.core.subject import Json
from policies.gatekeeper.selectors import Selector

SEVERITY_ANNOTATION = "policies.kyverno.io/severity"


class Override(msgspec.Struct, frozen=True):
    """Another action where the namespace fits. ``namespaces``: globs; none, and no ``selector``: everywhere."""

    action: str
    namespaces: tuple[str, ...]
    selector: Selector | None

    def fits(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether it holds in this namespace."""
        if self.namespaces and not any(fnmatchcase(namespace, pattern) for pattern in self.namespaces):
            return False
        return self.selector is None or self.selector.matches(labels)


class Failing(msgspec.Struct, frozen=True):
    """What a failure does: the steps in which Kyverno looks, and what both answers become here."""

    steps: tuple[tuple[Override, ...] | str, ...]
    warns: bool = False
    """An audited failure is told to the client (``emitWarning``)."""
    admits: bool = True
    """False: the policy is for background scans alone."""

    def action(self, namespace: str = "", labels: Mapping[str, str] | None = None) -> Action:
        """The action in a namespace with these labels."""
        if not self.admits:
            return Action.AUDIT
        if self._chosen(namespace, labels or {}).lower() == "enforce":
            return Action.DENY
        return Action.WARN if self.warns else Action.AUDIT

    def _chosen(self, namespace: str, labels: Mapping[str, str]) -> str:
        for step in self.steps:
            if isinstance(step, str):
                return step
            for override in step:
                if override.fits(namespace, labels):
                    return override.action
        return "Audit"


def failing_of(spec: Json, rule: Json) -> Failing:
    """For one validate rule of a ClusterPolicy or Policy."""
    validate = rule.get("validate") or {}
    steps: list[tuple[Override, ...] | str] = [_overrides(validate.get("failureActionOverrides"))]
    if validate.get("failureAction"):
        steps.append(str(validate["failureAction"]))
    steps.append(_overrides(spec.get("validationFailureActionOverrides")))
    steps.append(str(spec.get("validationFailureAction") or "Audit"))
    return Failing(tuple(steps), warns=bool(spec.get("emitWarning")), admits=spec.get("admission") is not False)


def failing_of_cel(spec: Json) -> Failing:
    """For a ValidatingPolicy: ``Deny`` unless it states other actions."""
    stated = spec.get("validationActions") or ["Deny"]
    admission = ((spec.get("evaluation") or {}).get("admission") or {}).get("enabled")
    action = "Enforce" if "Deny" in stated else "Audit"
    return Failing((action,), warns="Warn" in stated, admits=admission is not False)


def severity_of(annotations: Mapping[str, Any]) -> Severity:
    """What the policy's annotation says; medium without one."""
    stated = str(annotations.get(SEVERITY_ANNOTATION, "")).strip()
    return Severity(stated) if stated in set(Severity) else Severity.MEDIUM


def _overrides(stated: Sequence[Json] | None) -> tuple[Override, ...]:
    found = (
        Override(
            str(one.get("action", "")),
            tuple(map(str, one.get("namespaces") or ())),
            msgspec.convert(one["namespaceSelector"], Selector) if one.get("namespaceSelector") else None,
        )
        for one in stated or ()
    )
    return tuple(override for override in found if override.action.lower() in {"audit", "enforce"})
