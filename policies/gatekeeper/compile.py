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
    """What an engine loads. ``queries`` has one expression for each constraint, in the order they were given in."""

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
    modules: list[Module] = []
    queries: list[str] = []
    parameters: dict[str, Json] = {}
    for one in constraints:
        template = templates[one.kind]
        where = f"[{_quoted(one.kind)}][{_quoted(one.name)}]"
        world, bound = f"data.{ROOT}.rules{where}", f"data.{ROOT}.parameters{where}"
        rewritten = rewrite_template(
            root=world,
            parameters=bound,
            path=f"gatekeeper/{one.kind}/{one.name}",
            rego=template.rego,
            libs=template.libs,
            version=template.version,
        )
        modules += rewritten.modules
        given = "" if rewritten.static else f' with input as {{"review": input.review, "parameters": {bound}}}'
        queries.append(f"{{x | {world}.template.violation[r]{given}; x := {_RESULT}}}")
        parameters.setdefault(one.kind, {})[one.name] = one.parameters
    return Compiled(tuple(modules), tuple(queries), {ROOT: {"parameters": parameters}})


def check_template(template: Template) -> None:
    """Find out what of a template is wrong before there is a constraint.

    Raises:
        RegoError: it does not parse, or refers to what it may not.
    """
    rewrite_template(
        root=f"data.{ROOT}.rules[{_quoted(template.kind)}]",
        parameters=f"data.{ROOT}.parameters",
        path=f"gatekeeper/{template.kind}",
        rego=template.rego,
        libs=template.libs,
        version=template.version,
    )


def _quoted(text: str) -> str:
    return json.dumps(text)
