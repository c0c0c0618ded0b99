"""What queries may read, and what modules state, found in the rules as the server has compiled them. Pure.

The same as the native library's ``rego.references``: it may name more than is ever read, never less. Source: the JSON of
OPA's abstract syntax, as ``GET /v1/policies/ID`` gives it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from policies.remote.errors import ServerFaultError
from policies.remote.world import ENTRY, HERE, INVENTORY, SESSION, SESSIONS

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_CONSTANTS = frozenset(("string", "number", "boolean", "null"))
_NOT_READ = frozenset(("annotations", "target"))
"""What is said about a rule; what a ``with`` replaces."""
_ROOTS = frozenset(("input", "data"))

_IN_SESSION = 4
"""``data``, the root, the sessions, one of them, and here begins what it holds."""

Path = tuple[Any, ...]


class _Rule:
    """A rule's path, and where it refers to."""

    def __init__(self, path: Path, refers: frozenset[Path]) -> None:
        self.path = path
        self.refers = refers


def references(modules: Iterable[Any], root: str) -> dict[int, frozenset[str]]:
    """By query, what it, and all that it reaches, refers to, up to where that becomes dynamic.

    ``root``: below which everything lies, and which is not named.

    Raises:
        ServerFaultError: that is no syntax of OPA's.
    """
    try:
        rules = [rule for module in modules for rule in _rules(module)]
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ServerFaultError("the syntax of its modules cannot be read") from None
    graph = _Graph(rules, root)
    return {rule.path[3]: graph.reached(rule) for rule in rules if rule.path[:3] == (root, ENTRY, "answer")}


class _Graph:
    def __init__(self, rules: Sequence[_Rule], root: str) -> None:
        self._root = root
        self._rules = rules
        self._known: dict[Path, tuple[list[_Rule], str]] = {}

    def reached(self, rule: _Rule) -> frozenset[str]:
        """What a rule refers to, directly or not, that is no rule."""
        found: set[str] = set()
        seen = {id(rule)}
        left = [rule]
        while left:
            for path in left.pop().refers:
                rules, outside = self._at(path)
                left += [one for one in rules if id(one) not in seen]
                seen.update(map(id, rules))
                found.add(outside)
        return frozenset(found - {""})

    def _at(self, path: Path) -> tuple[list[_Rule], str]:
        """The rules that a path leads to, or to where they are; and what is there beside rules, empty if nothing is."""
        known = self._known.get(path)
        if known is None:
            below = path[1:]
            rules = [
                rule
                for rule in (self._rules if path[0] == "data" else ())
                if all(a == b for a, b in zip(rule.path, below, strict=False))
            ]
            # A reference to a package, or above, reads base documents beside the rules too.
            inside = any(rule.path == below[: len(rule.path)] for rule in rules) or path[2:] == (SESSION,)
            known = self._known[path] = (rules, "" if inside else _shown(path, self._root))
        return known


def stated(module: Any, root: str) -> tuple[str, tuple[str, ...]]:
    """A module's package, below the root, and the names that it defines there."""
    package = _shown(_package(module), root).removeprefix("data.")
    names = {_shown(_head(rule), root) for rule in module.get("rules", ())}
    return package, tuple(sorted(name for name in names if not name.startswith(HERE)))


def _rules(module: Any) -> Iterator[_Rule]:
    package = _package(module)[1:]
    for rule in module.get("rules", ()):
        yield _Rule(package + _head(rule), frozenset(_references(rule)))


def _package(module: Any) -> Path:
    return tuple(term["value"] for term in module["package"]["path"])


def _head(rule: Any) -> Path:
    head = rule["head"]
    return _constant(head.get("ref") or [{"type": "var", "value": head["name"]}])


def _references(node: Any) -> Iterator[Path]:
    """Each reference to a root document in what is below a node, its dynamic parts included."""
    left = [node]
    while left:
        at = left.pop()
        if isinstance(at, dict):
            terms = at.get("value")
            if at.get("type") == "ref" and isinstance(terms, list):
                if terms[0].get("type") == "var" and terms[0].get("value") in _ROOTS:
                    yield _steps(terms)
                left += terms
            else:
                left += (below for name, below in at.items() if name not in _NOT_READ)
        elif isinstance(at, list):
            left += at


def _steps(terms: Sequence[Any]) -> Path:
    """The constant steps; what is in whatever session is the inventory of all."""
    found = _constant(terms)
    if found[2:] == (SESSIONS,) and len(terms) > _IN_SESSION:
        inner = _constant([terms[0], terms[1], *terms[_IN_SESSION:]])
        return inner if inner[2:3] == (INVENTORY,) else found
    return found


def _constant(terms: Sequence[Any]) -> Path:
    """The steps up to the first one that is not constant."""
    path: list[Any] = [terms[0]["value"]]
    for term in terms[1:]:
        if term["type"] not in _CONSTANTS:
            break
        path.append(term.get("value"))
    return tuple(path)


def _shown(path: Path, root: str) -> str:
    if path[:2] == ("data", root):
        path = (path[0], *path[2:])
    steps = (
        f".{step}" if isinstance(step, str) and _NAME.match(step) else f"[{json.dumps(step)}]" for step in path[1:]
    )
    return str(path[0]) + "".join(steps)
