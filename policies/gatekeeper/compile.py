"""Templates and constraints made into Rego modules, queries and data that compile together with any other rules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gateway.core.subject import Json
from gateway.native.gatekeeper import rewrite_template
from gateway.native.rego import Module
from policies.gatekeeper.constraint import Constraint, ConstraintError, read_constraint
from policies.gatekeeper.template import Template, TemplateError, is_template, read_template

ROOT = "govgate_gatekeeper"
"""Packages are below ``data.govgate_gatekeeper.rules``, parameters are in ``data.govgate_gatekeeper.parameters``."""

_RESULT = '{"msg": r.msg, "details": object.get(r, "details", {})}'


class Compiled(msgspec.Struct, frozen=True):
    """What an engine loads.

    ``queries`` has one expression for each constraint, in the order they were given in; after them one for each template
    that has none, so that it is compiled all the same.
    """

    modules: tuple[Module, ...]
    queries: tuple[str, ...]
    data: Json


class Policies(msgspec.Struct, frozen=True):
    """Templates by kind, and their constraints in the order they were read."""

    templates: dict[str, Template]
    constraints: tuple[Constraint, ...]


def read_policies(documents: Iterable[Json], constraints: Iterable[Json]) -> Policies:
    """Templates and constraints, all of them or none.

    Args:
        documents: of templates; what is none is left out.
        constraints: their documents.

    Raises:
        TemplateError: a template is wrong, two define one kind, or its language is not supported.
        ConstraintError: a constraint is wrong, has no template, or is stated twice.
    """
    templates: dict[str, Template] = {}
    for document in documents:
        if is_template(document):
            template = read_template(document)
            if templates.setdefault(template.kind, template) is not template:
                raise TemplateError(f"ConstraintTemplate {template.name}: stated twice")
    read: dict[tuple[str, str], Constraint] = {}
    for document in constraints:
        kind = str(document.get("kind", ""))
        if kind not in templates:
            raise ConstraintError(f"{kind}: there is no ConstraintTemplate {kind.lower()}")
        constraint = read_constraint(document, templates[kind])
        if read.setdefault((kind, constraint.name), constraint) is not constraint:
            raise ConstraintError(f"{kind} {constraint.name}: stated twice")
    return Policies(templates, tuple(read.values()))


def compile_constraints(templates: Mapping[str, Template], constraints: Sequence[Constraint]) -> Compiled:
    """Modules, queries and data of constraints. Each constraint has the modules of its template for itself.

    A template whose every use of ``input`` is static reads its parameters from data, where they are bound once; to
    any other they are given as ``input.parameters`` at each evaluation.

    Raises:
        RegoError: a template does not parse, or refers to what it may not.
    """
    unused = [kind for kind in templates if all(one.kind != kind for one in constraints)]
    named = [(one.kind, one.name) for one in constraints] + [(kind, "") for kind in unused]
    modules: list[Module] = []
    queries: list[str] = []
    for kind, name in named:
        rewritten, query = _world(templates[kind], name)
        modules += rewritten
        queries.append(query)
    parameters: dict[str, Json] = {}
    for one in constraints:
        parameters.setdefault(one.kind, {})[one.name] = one.parameters
    return Compiled(tuple(modules), tuple(queries), {ROOT: {"parameters": parameters}})


def _world(template: Template, name: str) -> tuple[tuple[Module, ...], str]:
    """The modules of one constraint, and the query for its violations."""
    where = f"[{_quoted(template.kind)}][{_quoted(name)}]"
    world, bound = f"data.{ROOT}.rules{where}", f"data.{ROOT}.parameters{where}"
    rewritten = rewrite_template(
        root=world,
        parameters=bound,
        path=f"gatekeeper/{template.kind}/{name}",
        rego=template.rego,
        libs=template.libs,
        version=template.version,
    )
    # The new input is bound first: written behind "with input as", OPA 1.22 overflows its stack when it is walked.
    given = f'given := {{"review": input.review, "parameters": {bound}}}; '
    before, after = ("", "") if rewritten.static else (given, " with input as given")
    return rewritten.modules, f"{{x | {before}{world}.template.violation[r]{after}; x := {_RESULT}}}"


def _quoted(text: str) -> str:
    return json.dumps(text)
