"""ConstraintTemplates: read from v1, v1beta1 or v1alpha1, and checked as Gatekeeper does before it compiles them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gateway.core.errors import GovgateError
from gateway.core.subject import Json

GROUP = "templates.gatekeeper.sh"
TARGET = "admission.k8s.gatekeeper.sh"
REGO = "Rego"

_VERSIONS = ("v1", "v1beta1", "v1alpha1")


class TemplateError(GovgateError):
    """A ConstraintTemplate cannot be used; the text begins with its name."""


class UnsupportedTemplateError(TemplateError):
    """A ConstraintTemplate is sound, but its rules are in no language that is evaluated here."""


class Template(msgspec.Struct, frozen=True):
    """A template with rules in Rego.

    ``schema``: of the parameters, None if the template takes none. ``operations``: those that Gatekeeper's webhook asks
    it about; none stated means all. ``inventory``: types of other objects that it says it looks at.
    """

    name: str
    kind: str
    rego: str
    libs: tuple[str, ...]
    version: Literal[0, 1]
    schema: Json | None
    operations: tuple[str, ...] = ()
    inventory: tuple[str, ...] = ()

    def concerns(self, operation: str) -> bool:
        """Whether an admission request with this operation is put to it."""
        return not self.operations or operation in self.operations or "*" in self.operations


class _Code(msgspec.Struct):
    engine: str = ""
    source: Any = None


class _Target(msgspec.Struct):
    target: str = ""
    rego: str = ""
    libs: list[str] | None = None
    code: list[_Code] | None = None
    operations: list[str] | None = None


class _Validation(msgspec.Struct, rename={"schema": "openAPIV3Schema", "legacy": "legacySchema"}):
    schema: Json | None = None
    legacy: bool | None = None


class _Names(msgspec.Struct):
    kind: str = ""


class _CrdSpec(msgspec.Struct):
    names: _Names = msgspec.field(default_factory=_Names)
    validation: _Validation | None = None


class _Crd(msgspec.Struct):
    spec: _CrdSpec = msgspec.field(default_factory=_CrdSpec)


class _Spec(msgspec.Struct):
    crd: _Crd = msgspec.field(default_factory=_Crd)
    targets: list[_Target] | None = None


class _Metadata(msgspec.Struct):
    name: str = ""
    annotations: dict[str, str] | None = None


class _Types(msgspec.Struct):
    groups: list[str] = []
    versions: list[str] = []
    kinds: list[str] = []


class _Document(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    spec: _Spec = msgspec.field(default_factory=_Spec)


def is_template(document: Json) -> bool:
    """Whether a document is a ConstraintTemplate, of whatever version."""
    group, _, _ = str(document.get("apiVersion", "")).rpartition("/")
    return group == GROUP and document.get("kind") == "ConstraintTemplate"


def read_template(document: Json) -> Template:
    """The template that a document states.

    Raises:
        UnsupportedTemplateError: it has rules, but none in Rego.
        TemplateError: it is wrong.
    """
    version = str(document.get("apiVersion", "")).rpartition("/")[2]
    try:
        stated = msgspec.convert(document, _Document)
    except msgspec.ValidationError as error:
        raise TemplateError(f"ConstraintTemplate {_name(document)}: {error}") from None
    name, spec = stated.metadata.name, stated.spec
    if version not in _VERSIONS:
        raise TemplateError(f"ConstraintTemplate {name}: unknown version {version}; known are {', '.join(_VERSIONS)}")
    kind = spec.crd.spec.names.kind
    if not kind:
        raise TemplateError(f"ConstraintTemplate {name}: spec.crd.spec.names.kind is missing")
    if name.lower() != kind.lower():
        raise TemplateError(f"ConstraintTemplate {name}: its name is not the lower case of the kind {kind}")
    targets = spec.targets or []
    if len(targets) != 1:
        raise TemplateError(f"ConstraintTemplate {name}: it must state exactly one target, not {len(targets)}")
    if targets[0].target != TARGET:
        raise TemplateError(f"ConstraintTemplate {name}: unknown target {targets[0].target!r}; known is {TARGET}")
    rego, libs, rego_version = _rego(name, targets[0])
    schema = _schema(spec.crd.spec.validation or _Validation(), legacy_by_default=version != "v1")
    operations = tuple(targets[0].operations or ())
    inventory = _inventory(name, stated.metadata.annotations or {})
    return Template(name, kind, rego, libs, rego_version, schema, operations, inventory)


def _name(document: Json) -> str:
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else "without a name"


def _rego(name: str, target: _Target) -> tuple[str, tuple[str, ...], Literal[0, 1]]:
    """``rego`` beside the target wins over code of the Rego engine; of several such codes the first counts."""
    if target.rego:
        return target.rego, tuple(target.libs or ()), 0
    codes = target.code or []
    source = next((code.source for code in codes if code.engine == REGO), None)
    if source is None:
        engines = ", ".join(sorted({code.engine for code in codes})) or "none"
        raise UnsupportedTemplateError(
            f"ConstraintTemplate {name}: no rules in Rego (engines: {engines}); its constraints are not evaluated here"
        )
    rego = source.get("rego") if isinstance(source, dict) else None
    libs = (source.get("libs") or []) if isinstance(source, dict) else []
    version = (source.get("version") or "v0") if isinstance(source, dict) else "v0"
    texts = isinstance(rego, str) and isinstance(libs, list) and all(isinstance(lib, str) for lib in libs)
    if not texts or not isinstance(version, str):
        raise TemplateError(f"ConstraintTemplate {name}: the source of its Rego code is malformed")
    return str(rego), tuple(libs), 1 if version == "v1" else 0


_SYNC = "metadata.gatekeeper.sh/requires-sync-data"


def _inventory(name: str, annotations: dict[str, str]) -> tuple[str, ...]:
    """The types of other objects that the template's annotation names: alternatives, and what is needed beside them.

    It is JSON, often within a JSON string.
    """
    text = annotations.get(_SYNC)
    if not text:
        return ()
    try:
        decoded = msgspec.json.decode(text)
        stated = msgspec.convert(
            msgspec.json.decode(decoded) if isinstance(decoded, str) else decoded, list[list[_Types]]
        )
    except (msgspec.ValidationError, msgspec.DecodeError):
        raise TemplateError(f"ConstraintTemplate {name}: the annotation {_SYNC} is malformed") from None
    return tuple(
        sorted(
            {
                f"{group}/{version}/{kind}" if group else f"{version}/{kind}"
                for alternatives in stated
                for one in alternatives
                for group in one.groups
                for version in one.versions
                for kind in one.kinds
            }
        )
    )


def _schema(validation: _Validation, *, legacy_by_default: bool) -> Json | None:
    """A legacy schema need not be structural: it lets unknown fields pass at every level."""
    legacy = legacy_by_default if validation.legacy is None else validation.legacy
    if not legacy:
        return validation.schema
    return preserving(validation.schema or {})


def preserving(schema: Json) -> Json:
    """The schema with unknown fields let through wherever a value may be an object."""
    out = dict(schema)
    kind = out.get("type", "")
    if kind in ("", "object"):
        out["x-kubernetes-preserve-unknown-fields"] = True
    elif kind == "array" and not out.get("items"):
        out["items"] = {"x-kubernetes-preserve-unknown-fields": True}
    if isinstance(out.get("properties"), dict):
        out["properties"] = {key: preserving(below) for key, below in out["properties"].items() if below is not None}
    for key in ("items", "additionalProperties"):
        if isinstance(out.get(key), dict):
            out[key] = preserving(out[key])
    return out
