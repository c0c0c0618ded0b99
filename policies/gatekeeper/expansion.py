"""ExpansionTemplates: the objects that an object implies, such as the Pod of a Deployment. Pure.

Source: gatekeeper's pkg/expansion. Mutators are not applied: govgate has none.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import msgspec

from gateway.core.errors import GovgateError
from gateway.core.subject import Json

GROUP = "expansion.gatekeeper.sh"
MAX_DEPTH = 30
MAX_NAME = 63

Gvk = tuple[str, str, str]
"""Group, version, kind."""


class ExpansionError(GovgateError):
    """An ExpansionTemplate is wrong, or an object cannot be expanded by it."""


class ApplyTo(msgspec.Struct, frozen=True):
    """Groups, versions and kinds, each named: there are no wildcards."""

    groups: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def includes(self, gvk: Gvk) -> bool:
        """Whether this type is among them."""
        return gvk[0] in self.groups and gvk[1] in self.versions and gvk[2] in self.kinds


class Expansion(msgspec.Struct, frozen=True):
    """One ExpansionTemplate. ``action`` replaces that of constraints, unless it is empty."""

    name: str
    apply_to: tuple[ApplyTo, ...]
    source: str
    generated: Gvk
    action: str

    def applies(self, gvk: Gvk) -> bool:
        """Whether objects of this type are expanded."""
        return any(one.includes(gvk) for one in self.apply_to)


class Generated(msgspec.Struct, frozen=True):
    """An object that another implies, by which template, and the action that the template sets."""

    document: Json
    template: str
    action: str


class _Gvk(msgspec.Struct):
    group: str = ""
    version: str = ""
    kind: str = ""


class _Spec(msgspec.Struct, rename="camel"):
    apply_to: tuple[ApplyTo, ...] = ()
    template_source: str = ""
    generated: _Gvk = msgspec.field(default_factory=_Gvk, name="generatedGVK")
    enforcement_action: str = ""


class _Metadata(msgspec.Struct):
    name: str = ""


class _Document(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    spec: _Spec = msgspec.field(default_factory=_Spec)


def is_expansion(document: Json) -> bool:
    """Whether a document is an ExpansionTemplate, of whatever version."""
    group = str(document.get("apiVersion", "")).rpartition("/")[0]
    return group == GROUP and document.get("kind") == "ExpansionTemplate"


def read_expansion(document: Json) -> Expansion:
    """The ExpansionTemplate that a document states.

    Raises:
        ExpansionError: it is wrong.
    """
    try:
        stated = msgspec.convert(document, _Document)
    except msgspec.ValidationError as error:
        raise ExpansionError(f"ExpansionTemplate: {error}") from None
    name, spec = stated.metadata.name, stated.spec
    gvk = (spec.generated.group, spec.generated.version, spec.generated.kind)
    read = Expansion(name, spec.apply_to, spec.template_source, gvk, spec.enforcement_action)
    problem = ""
    if not name or len(name) > MAX_NAME:
        problem = f"metadata.name is missing, or longer than {MAX_NAME} characters"
    elif not spec.template_source:
        problem = "spec.templateSource is missing"
    elif not any(gvk):
        problem = "spec.generatedGVK is missing"
    elif not spec.apply_to:
        problem = "spec.applyTo is missing"
    elif read.applies(gvk):
        problem = "it generates a type that it applies to"
    if problem:
        raise ExpansionError(f"ExpansionTemplate {name}: {problem}")
    return read


class Expansions:
    """All ExpansionTemplates in force.

    Raises:
        ExpansionError: they generate each other in a circle, or two have one name.
    """

    def __init__(self, expansions: Sequence[Expansion]) -> None:
        self._expansions = tuple(sorted(expansions, key=lambda one: one.name))
        if len({one.name for one in expansions}) != len(expansions):
            raise ExpansionError("two ExpansionTemplates have one name")
        for one in self._expansions:
            self._check_circle(one, (one.name,))

    @property
    def names(self) -> tuple[str, ...]:
        """What they are called."""
        return tuple(one.name for one in self._expansions)

    def concerns(self, gvk: Gvk) -> bool:
        """Whether objects of this type are expanded at all."""
        return any(one.applies(gvk) for one in self._expansions)

    def _check_circle(self, one: Expansion, way: tuple[str, ...]) -> None:
        for following in self._expansions:
            if following.applies(one.generated):
                if following.name in way:
                    raise ExpansionError(f"ExpansionTemplates form a circle: {', '.join(way)}")
                self._check_circle(following, (*way, following.name))

    def expand(self, document: Json, namespace: Json | None) -> list[Generated]:
        """The objects that one implies, and those that they imply; innermost first, as Gatekeeper has them.

        Raises:
            ExpansionError: a template applies, and its source is not in the object.
        """
        return list(self._expand(document, namespace, 0))

    def _expand(self, document: Json, namespace: Json | None, depth: int) -> Iterator[Generated]:
        if depth >= MAX_DEPTH:
            raise ExpansionError(f"expansion goes deeper than {MAX_DEPTH}")
        gvk = gvk_of(document)
        direct = [_generate(document, namespace, one) for one in self._expansions if one.applies(gvk)]
        for one in direct:
            yield from self._expand(one.document, namespace, depth + 1)
        yield from direct


def gvk_of(document: Json) -> Gvk:
    """Group, version and kind of an object."""
    group, _, version = str(document.get("apiVersion", "")).rpartition("/")
    return group, version, str(document.get("kind", ""))


def _generate(parent: Json, namespace: Json | None, by: Expansion) -> Generated:
    source: object = parent
    for key in by.source.split("."):
        source = source.get(key) if isinstance(source, dict) else None
    if not isinstance(source, dict):
        raise ExpansionError(f"ExpansionTemplate {by.name}: the object has no {by.source}")
    document = copy.deepcopy(source)
    group, version, kind = by.generated
    document["apiVersion"] = f"{group}/{version}" if group else version
    document["kind"] = kind
    about = _metadata(parent)
    metadata = document["metadata"] = dict(_metadata(document))
    name = about.get("name") or ""
    within = about.get("namespace") if namespace is None else _metadata(namespace).get("name")
    if within:
        metadata["namespace"] = within
    elif namespace is not None:
        metadata.pop("namespace", None)
    metadata["name"] = f"{name}-{kind}".lower()
    _own(metadata, parent, name)
    return Generated(document, by.name, by.action)


def _own(metadata: Json, parent: Json, name: str) -> None:
    owner = {"apiVersion": parent.get("apiVersion"), "kind": parent.get("kind"), "name": name}
    owners = metadata.get("ownerReferences") or []
    if all(owner.values()) and not any(all(one.get(k) == v for k, v in owner.items()) for one in owners):
        metadata["ownerReferences"] = [*owners, {**owner, "uid": ""}]


def _metadata(document: Json) -> Json:
    metadata = document.get("metadata")
    return metadata if isinstance(metadata, dict) else {}
