"""A model of objects with owners per field, for property tests of the drift guard.

A model knows its JSON value and, for each field manager, its FieldsV1: independent of the code under test, which only
reads FieldsV1. Shapes are those of structured-merge-diff: scalars, atomic lists and maps, granular maps, lists keyed
by fields, sets.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

RECONCILER = "kustomize-controller"
PERSON = "kubectl-edit"
OTHERS = (PERSON, "kube-controller-manager", "manager")
MANAGERS = (RECONCILER, *OTHERS)


@dataclass(frozen=True)
class Leaf:
    """A scalar, or an atomic list or map: compared whole.

    ``to_json`` gives a node's value, ``to_fields`` what a manager owns of it (None for nothing), ``to_declared`` the
    value as the manager alone stated it.
    """

    value: Any
    owners: frozenset[str]

    def to_json(self) -> Any:
        return self.value

    def to_fields(self, manager: str) -> dict | None:
        return {} if manager in self.owners else None

    def to_declared(self, manager: str) -> Any:
        return self.value


@dataclass(frozen=True)
class Map:
    """A granular map; ``owners`` own the node itself."""

    children: dict[str, Any]
    owners: frozenset[str] = frozenset()

    def to_json(self) -> Any:
        return {name: child.to_json() for name, child in self.children.items()}

    def to_fields(self, manager: str) -> dict | None:
        below = {f"f:{name}": child.to_fields(manager) for name, child in self.children.items()}
        return _node(below, manager, self.owners)

    def to_declared(self, manager: str) -> dict:
        return {n: c.to_declared(manager) for n, c in self.children.items() if owned_by(c, manager)}


@dataclass(frozen=True)
class Keyed:
    """A list whose elements are told apart by ``names``; each element is a map that holds them."""

    names: tuple[str, ...]
    elements: tuple[Map, ...]

    def to_json(self) -> Any:
        return [element.to_json() for element in self.elements]

    def key(self, element: Map) -> str:
        return "k:" + json.dumps({name: element.children[name].value for name in self.names}, separators=(",", ":"))

    def to_fields(self, manager: str) -> dict | None:
        below = {self.key(element): element.to_fields(manager) for element in self.elements}
        return _node(below, manager, frozenset())

    def to_declared(self, manager: str) -> list:
        owned = [element for element in self.elements if owned_by(element, manager)]
        keys = [{name: element.children[name].value for name in self.names} for element in owned]
        return [{**key, **element.to_declared(manager)} for key, element in zip(keys, owned, strict=True)]


@dataclass(frozen=True)
class Set:
    """A list of scalars, each owned on its own."""

    values: dict[str, frozenset[str]] = field(default_factory=dict)

    def to_json(self) -> Any:
        return list(self.values)

    def to_fields(self, manager: str) -> dict | None:
        below = {f"v:{json.dumps(v)}": {} if manager in owners else None for v, owners in self.values.items()}
        return _node(below, manager, frozenset())

    def to_declared(self, manager: str) -> list:
        return [value for value, owners in self.values.items() if manager in owners]


def _node(below: dict[str, dict | None], manager: str, owners: frozenset[str]) -> dict | None:
    fields: dict[str, Any] = {key: value for key, value in below.items() if value is not None}
    if manager in owners:
        fields = {".": {}, **fields}
    return fields or None


names = st.sampled_from(["alpha", "beta", "gamma", "delta", "image", "x.y/z"])
scalars = st.one_of(
    st.text(max_size=5), st.integers(-3, 3), st.booleans(), st.floats(allow_nan=False, allow_infinity=False, width=16)
)
owner_sets = st.frozensets(st.sampled_from(MANAGERS), max_size=3)
# Every scalar of a live object has an owner, unless managedFields were reset.
some_owners = st.frozensets(st.sampled_from(MANAGERS), min_size=1, max_size=3)
atomics = st.one_of(st.lists(scalars, min_size=1, max_size=3), st.dictionaries(names, scalars, min_size=1, max_size=3))
leaf_nodes = st.builds(Leaf, st.one_of(scalars, atomics), some_owners)
sets = st.builds(Set, st.dictionaries(st.text("abc", min_size=1, max_size=2), some_owners, min_size=1, max_size=4))


def _keyed(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Keyed]:
    @st.composite
    def build(draw: st.DrawFn) -> Keyed:
        key_names = draw(st.sampled_from([("name",), ("containerPort", "protocol")]))
        ids = draw(st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=3, unique=True))
        elements = []
        for one in ids:
            owners = draw(owner_sets)
            below = {
                name: Leaf(one if name in {"name", "containerPort"} else "TCP", owners or {PERSON})
                for name in key_names
            }
            below |= draw(st.dictionaries(names, children, max_size=3))
            elements.append(Map(below, owners))
        return Keyed(key_names, tuple(elements))

    return build()


nodes = st.recursive(
    st.one_of(leaf_nodes, sets),
    lambda children: st.one_of(
        st.builds(Map, st.dictionaries(names, children, min_size=1, max_size=4), owner_sets), _keyed(children)
    ),
    max_leaves=12,
)
specs = st.builds(Map, st.dictionaries(names, nodes, min_size=1, max_size=5), owner_sets)


@dataclass(frozen=True)
class Site:
    """A place in a model where one mutation can be made: the path of steps, and what stands there."""

    steps: tuple[Any, ...]
    node: Any


def sites(node: Any, steps: tuple[Any, ...] = ()) -> list[Site]:
    """Every node below ``node``, containers included; elements of keyed lists keep their key fields out of reach."""
    found = [Site(steps, node)]
    if isinstance(node, Map):
        for name, child in node.children.items():
            found += sites(child, (*steps, name))
    elif isinstance(node, Keyed):
        for index, element in enumerate(node.elements):
            for site in sites(element, (*steps, index)):
                is_key = len(site.steps) == len(steps) + 2 and site.steps[-1] in node.names
                if not is_key:
                    found.append(site)
    return found


def put(node: Any, steps: tuple[Any, ...], new: Any) -> Any:
    """The model with the node at ``steps`` replaced, or removed where ``new`` is None."""
    if not steps:
        return new
    step, rest = steps[0], steps[1:]
    if isinstance(node, Map):
        children = dict(node.children)
        if not rest and new is None:
            del children[step]
        else:
            children[step] = put(children[step], rest, new)
        return replace(node, children=children)
    elements = list(node.elements)
    if not rest and new is None:
        del elements[step]
    else:
        elements[step] = put(elements[step], rest, new)
    return replace(node, elements=tuple(elements))


def owned_by(node: Any, manager: str) -> bool:
    """Whether the manager owns anything in the node."""
    return node.to_fields(manager) is not None
