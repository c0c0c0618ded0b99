"""Constraints: read, checked by the schema of their template, with its defaults applied."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.core.errors import GovgateError
from gateway.core.subject import Json
from gateway.native.library import NativeError
from gateway.native.schema import unknown_fields, validate, with_defaults
from policies.gatekeeper.match import Match
from policies.gatekeeper.template import Template

GROUP = "constraints.gatekeeper.sh"

WEBHOOK = "validation.gatekeeper.sh"
AUDIT = "audit.gatekeeper.sh"
GATOR = "gator.gatekeeper.sh"
"""Enforcement points: admission, background scan, and files."""

DENY, DRYRUN, WARN, SCOPED = "deny", "dryrun", "warn", "scoped"

_VERSIONS = ("v1beta1", "v1alpha1")
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_MAX_NAME = 253


class ConstraintError(GovgateError):
    """A Constraint cannot be used; the text begins with its kind and name."""


class ConstraintSchemaError(ConstraintError):
    """A Constraint does not meet the schema of its template."""


class _Point(msgspec.Struct, frozen=True):
    name: str = ""


class Scoped(msgspec.Struct, frozen=True, rename="camel"):
    """An action for some enforcement points; ``*`` is all of them."""

    action: str = ""
    enforcement_points: tuple[_Point, ...] = ()


class Constraint(msgspec.Struct, frozen=True):
    """A Constraint, its parameters with the template's defaults.

    ``action`` is what ``spec.enforcementAction`` says, known or not; ``scoped`` counts only where that is ``scoped``.
    """

    kind: str
    name: str
    match: Match | None
    parameters: Any
    action: str
    scoped: tuple[Scoped, ...] = ()

    def actions(self, point: str) -> tuple[str, ...]:
        """What is to be done at an enforcement point, known actions or not; nothing: it does not apply there."""
        if self.action != SCOPED:
            return (self.action,)
        names = {one.action for one in self.scoped if any(p.name in (point, "*") for p in one.enforcement_points)}
        return tuple(sorted(names))


class _Spec(msgspec.Struct, rename="camel"):
    match: Match | None = None
    parameters: Any = None
    enforcement_action: str = DENY
    scoped_enforcement_actions: tuple[Scoped, ...] | None = None


class _Document(msgspec.Struct):
    spec: _Spec = msgspec.field(default_factory=_Spec)


def is_constraint(document: Json) -> bool:
    """Whether a document is of a kind that a template defines."""
    return str(document.get("apiVersion", "")).startswith(f"{GROUP}/")


def read_constraint(document: Json, template: Template) -> Constraint:
    """The constraint that a document states.

    Raises:
        ConstraintSchemaError: it does not meet the template's schema.
        ConstraintError: it is wrong in another way.
    """
    kind = str(document.get("kind", ""))
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
        raise ConstraintError(f"{kind} {name or 'without a name'}: metadata.name is missing, or no DNS name")
    shown = f"{kind} {name}"
    _check_kind(document, template, shown)
    schema = constraint_schema(template)
    _check_schema(schema, document, shown)
    completed = with_defaults(schema, document)
    try:
        spec = msgspec.convert(completed, _Document).spec
    except msgspec.ValidationError as error:
        raise ConstraintError(f"{shown}: {error}") from None
    _check_selectors(spec.match, shown)
    if spec.enforcement_action == SCOPED and spec.scoped_enforcement_actions is None:
        raise ConstraintError(f"{shown}: spec.scopedEnforcementActions must be stated")
    scoped = spec.scoped_enforcement_actions or ()
    parameters = {} if spec.parameters is None else spec.parameters
    return Constraint(kind, name, spec.match, parameters, spec.enforcement_action, scoped)


def _check_kind(document: Json, template: Template, shown: str) -> None:
    group, _, version = str(document.get("apiVersion", "")).rpartition("/")
    if group != GROUP or version not in _VERSIONS:
        raise ConstraintError(f"{shown}: unknown apiVersion; known are {', '.join(f'{GROUP}/{v}' for v in _VERSIONS)}")
    if document.get("kind") != template.kind:
        raise ConstraintError(f"{shown}: the template defines the kind {template.kind}")


def _check_schema(schema: Json, document: Json, shown: str) -> None:
    try:
        problems = validate(schema, document)
    except NativeError as error:
        raise ConstraintError(f"{shown}: the schema of its template is broken: {error}") from None
    if problems:
        raise ConstraintSchemaError(f"{shown}: {'; '.join(problems)}")
    stated = {key: value for key, value in document.items() if key not in ("apiVersion", "kind", "metadata")}
    unknown = unknown_fields(schema, stated)
    if unknown:
        raise ConstraintError(f"{shown}: unknown fields: {', '.join(unknown)}")


def _check_selectors(match: Match | None, shown: str) -> None:
    for selector in (match.label_selector, match.namespace_selector) if match is not None else ():
        problem = selector.problem() if selector is not None else ""
        if problem:
            raise ConstraintError(f"{shown}: spec.match: {problem}")


def action_of(actions: Sequence[str]) -> str:
    """The strictest of several actions that Gatekeeper knows, empty if it knows none: then nothing is enforced."""
    return next((known for known in (DENY, WARN, DRYRUN) if known in actions), "")


def constraint_schema(template: Template) -> Json:
    """The schema of the template's constraints, as Gatekeeper's generated CRD has it."""
    spec: Json = {
        "match": _MATCH,
        "enforcementAction": {"type": "string", "default": DENY},
        "scopedEnforcementActions": _array(
            _object({"action": _STRING, "enforcementPoints": _array(_object({"name": _STRING}))})
        ),
    }
    if template.schema is not None:
        spec["parameters"] = template.schema
    metadata = _object({"name": {"type": "string", "maxLength": 63}})
    status = {"x-kubernetes-preserve-unknown-fields": True}
    return _object({"metadata": metadata, "spec": _object(spec), "status": status})


def _object(properties: Json, required: Sequence[str] = ()) -> Json:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _array(items: Json) -> Json:
    return {"type": "array", "items": items}


_STRING: Json = {"type": "string"}
_GLOB: Json = {"type": "string", "pattern": r"^\*?[-:a-z0-9]*\*?$"}
_SELECTOR: Json = _object(
    {
        "matchLabels": {"type": "object", "additionalProperties": _STRING},
        "matchExpressions": _array(
            _object({"key": _STRING, "operator": _STRING, "values": _array(_STRING)}, ("key", "operator"))
        ),
    }
)
_MATCH: Json = _object(
    {
        "source": {"type": "string", "enum": ["All", "Generated", "Original"]},
        "kinds": _array(_object({"apiGroups": _array(_STRING), "kinds": _array(_STRING)})),
        "scope": _STRING,
        "namespaces": _array(_GLOB),
        "excludedNamespaces": _array(_GLOB),
        "labelSelector": _SELECTOR,
        "namespaceSelector": _SELECTOR,
        "name": _GLOB,
    }
)
