"""Templates and constraints of a cluster: one that is wrong costs neither the others nor what was in force of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

from gateway.core.errors import GovgateError
from gateway.core.subject import Json
from policies.gatekeeper.compile import Policies
from policies.gatekeeper.constraint import Constraint, read_constraint
from policies.gatekeeper.expansion import Expansion, Expansions, read_expansion
from policies.gatekeeper.template import read_template

Name = tuple[str, str]
"""Kind and name of a document."""
_T = TypeVar("_T")


class Documents(msgspec.Struct, frozen=True):
    """What a cluster holds, or held when it was last good, by kind and name."""

    templates: Mapping[Name, Json] = {}
    constraints: Mapping[Name, Json] = {}
    expansions: Mapping[Name, Json] = {}


class Usable(msgspec.Struct, frozen=True):
    """What can be used, the documents it was read from, and by name why others are not: or not as they are now."""

    policies: Policies
    expansions: tuple[Expansion, ...]
    documents: Documents
    problems: dict[Name, str]


def usable(now: Documents, good: Documents, refused: Mapping[Name, str]) -> Usable:
    """Read what is there now; in the place of what is wrong, what was good last.

    Args:
        now: what the cluster holds.
        good: what was in force.
        refused: templates that do not compile as they are now, with the reason.
    """
    problems: dict[Name, str] = dict(refused)
    templates = _read(now.templates, good.templates, read_template, problems)
    by_kind = {template.kind: template for _, template in templates.values()}

    def constraint(document: Json) -> Constraint:
        kind = str(document.get("kind", ""))
        if kind not in by_kind:
            raise GovgateError("its ConstraintTemplate is missing, or of no use")
        return read_constraint(document, by_kind[kind])

    constraints = _read(now.constraints, good.constraints, constraint, problems)
    expansions = _read(now.expansions, good.expansions, read_expansion, problems)
    expansions = _without_circles(expansions, problems)
    policies = Policies(by_kind, tuple(one for _, one in constraints.values()))
    documents = Documents(_documents(templates), _documents(constraints), _documents(expansions))
    return Usable(policies, tuple(one for _, one in expansions.values()), documents, problems)


def _read(
    now: Mapping[Name, Json], good: Mapping[Name, Json], read: Callable[[Json], _T], problems: dict[Name, str]
) -> dict[Name, tuple[Json, _T]]:
    """By name, in the order of names: the document that is used, and what was read from it."""
    found: dict[Name, tuple[Json, _T]] = {}
    for name in sorted(now):
        candidates = [good[name]] if name in good else []
        if name not in problems:
            candidates.insert(0, now[name])
        for document in candidates:
            try:
                found[name] = (document, read(document))
            except GovgateError as error:
                problems.setdefault(name, " ".join(str(error).split()))
            else:
                break
    return found


def _without_circles(
    found: dict[Name, tuple[Json, Expansion]], problems: dict[Name, str]
) -> dict[Name, tuple[Json, Expansion]]:
    """Of expansions that contradict each other, none."""
    try:
        Expansions([one for _, one in found.values()])
    except GovgateError as error:
        problems.update(dict.fromkeys(found, str(error)))
        return {}
    return found


def _documents(found: Mapping[Name, tuple[Json, object]]) -> dict[Name, Json]:
    return {name: document for name, (document, _) in found.items()}


def name_of(document: Json) -> Name:
    """Kind and name."""
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return str(document.get("kind", "")), str(name or "")


def by_name(documents: Iterable[Json]) -> dict[Name, Json]:
    """Documents by kind and name."""
    return {name_of(document): document for document in documents}
