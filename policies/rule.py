"""One rule of any engine: what it is called, what it is about, and how its answer becomes findings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec

from gateway.core.finding import Action, Finding, Severity
from gateway.core.subject import Json, Subject

FILE = "file"
"""The file's name, which Conftest tells rules; where there is no file it is not known."""
INVENTORY = "inventory"
NAMESPACE = "namespace"
USER = "user"


class RuleInfo(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What people are told about a rule. ``id`` is stable: findings, settings and waivers name it.

    ``context``: what beyond the object must be known (``inventory``, ``namespace``, ``user``). ``inventory``: of which
    types it looks at other objects, such as ``networking.k8s.io/v1/Ingress``; none stated: whatever is configured.
    ``parameters``: JSON schema of its parameters; ``source``: where the rule is written.
    """

    id: str
    title: str
    severity: Severity
    action: Action
    description: str = ""
    sets: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("*",)
    operations: tuple[str, ...] = ("CREATE", "UPDATE")
    controls: dict[str, Any] = {}
    context: tuple[str, ...] = ()
    inventory: tuple[str, ...] = ()
    parameters: Json = {}
    links: tuple[str, ...] = ()
    source: str = ""


class Stated(Protocol):
    """Anything that states a rule."""

    @property
    def info(self) -> RuleInfo:
        """What people are told about it."""
        ...


class Asked(msgspec.Struct, frozen=True, dict=True):
    """One request with what is known around it. What rules make of it for each other is kept in its ``__dict__``.

    ``namespace``: the Namespace object of the request's namespace, None where it is not known. ``source``: whether the
    object was submitted, or is implied by one that was. ``by``: all rules, those that take a review, or
    those that take any document as it is. ``file``: the path that it was read from.
    ``known``: which of :data:`INVENTORY`, :data:`NAMESPACE`, :data:`USER` are known at all. Of other objects some types
    only may be known: then it holds what :func:`inventory_of` gives for each.
    """

    subject: Subject
    namespace: Json | None = None
    known: frozenset[str] = frozenset()
    source: Literal["Original", "Generated"] = "Original"
    by: Literal["all", "review", "document"] = "all"
    file: str | None = None


def inventory_of(kind: str) -> str:
    """How it is called that all objects of a type are known: ``kind`` is its group and version, and its kind."""
    return f"{INVENTORY} {kind}"


class Applies(msgspec.Struct, frozen=True):
    """Whether a rule concerns a request; ``undecided`` says why that cannot be told."""

    yes: bool
    undecided: str = ""


YES = Applies(yes=True)
NO = Applies(yes=False)


class Rule(msgspec.Struct, frozen=True):
    """A rule that is loaded. ``query``: the expression to evaluate, in the engine's language.

    ``applies`` is asked before anything is evaluated; ``read`` makes findings of the query's value, with the rule's
    own action, and raises ValueError where the value is not what such a rule may return. ``fixed``: whether it concerns a
    request depends on nothing but the operation, the subresource and the kind. ``whole``: its input is the
    object itself, as Conftest gives it, instead of ``{"review": …}``. ``named``: with that goes the file's name, as
    ``{"document": …, "file": …}``, which the query takes apart. ``lean``: the objects of its review are without
    managed fields, as in files. ``optional``: no value means no finding. ``implied``: it is asked about what the object
    implies too (:mod:`policies.implied`).
    """

    info: RuleInfo
    query: str
    applies: Callable[[Asked], Applies]
    read: Callable[[Any, Asked], list[Finding]]
    fixed: bool = False
    whole: bool = False
    named: bool = False
    lean: bool = False
    optional: bool = False
    implied: bool = False
