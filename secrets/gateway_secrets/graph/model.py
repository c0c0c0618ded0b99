"""The graph: what leads to what, from where a value is kept to who uses it, and where it ends too early."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

Stage = Literal["remote", "source", "secret", "user"]
"""Where a value is kept or made; what fetches or decrypts it; the Secret; what uses that."""


class Node(msgspec.Struct, frozen=True, order=True):
    """One thing. ``store``: of what is remote, as ``SecretStore team-a/vault``. ``group``: the API group; empty in the core."""

    stage: Stage
    namespace: str
    kind: str
    name: str
    store: str = ""
    group: str = ""

    @property
    def id(self) -> str:
        """The same for the same thing, whatever else the graph holds."""
        kind = f"{self.kind}.{self.group}" if self.group else self.kind
        return "/".join((kind, self.store.replace(" ", "/") or self.namespace, self.name))

    @property
    def title(self) -> str:
        """What people call it."""
        if self.store:
            return f"{self.kind} {self.name} ({self.store})"
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class Edge(msgspec.Struct, frozen=True, order=True):
    """One leads to the other. ``how``: by which fields, in order."""

    start: Node
    end: Node
    how: tuple[str, ...] = ()


class Dangling(msgspec.Struct, frozen=True, order=True):
    """Where the way ends too early."""

    node: Node
    problem: str


class Graph(msgspec.Struct, frozen=True):
    """All in order, so that the same objects are the same text."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    dangling: tuple[Dangling, ...] = ()

    def next(self) -> Mapping[Node, list[Edge]]:
        """The edges that begin at each node."""
        found: defaultdict[Node, list[Edge]] = defaultdict(list)
        for edge in self.edges:
            found[edge.start].append(edge)
        return found

    def part(self, wanted: Iterable[Node]) -> Graph:
        """These nodes, and what is between them."""
        kept = frozenset(wanted)
        return Graph(
            tuple(node for node in self.nodes if node in kept),
            tuple(edge for edge in self.edges if edge.start in kept and edge.end in kept),
            tuple(one for one in self.dangling if one.node in kept),
        )


class Wanted(msgspec.Struct, frozen=True):
    """What is looked for; an empty text is all. ``path``, ``secret`` and ``workload`` are globs, in which ``*`` is anything.

    ``secret``: ``NAME`` or ``NAMESPACE/NAME``; ``workload`` the same, or with ``KIND/`` before it.
    """

    path: str = ""
    secret: str = ""
    workload: str = ""
    namespace: str = ""


def selected(graph: Graph, wanted: Wanted) -> Graph:
    """What lies on a way through something of each that is wanted."""
    tests: list[Callable[[Node], bool]] = []
    if wanted.path:
        tests.append(lambda node: node.stage == "remote" and fnmatchcase(node.name, wanted.path))
    if wanted.secret:
        tests.append(lambda node: node.stage == "secret" and _named(node, wanted.secret))
    if wanted.workload:
        tests.append(lambda node: node.stage == "user" and _named(node, wanted.workload))
    if wanted.namespace:
        tests.append(lambda node: node.stage != "remote" and node.namespace == wanted.namespace)
    kept = set(graph.nodes)
    for test in tests:
        kept &= _through(graph, [node for node in graph.nodes if test(node)])
    return graph.part(kept) if tests else graph


def _named(node: Node, pattern: str) -> bool:
    whole = f"{node.namespace}/{node.name}"
    return any(
        fnmatchcase(name, pattern) for name in (node.name, whole, f"{node.kind}/{node.name}", f"{node.kind}/{whole}")
    )


def _through(graph: Graph, some: Iterable[Node]) -> set[Node]:
    """These, what leads to them, and what they lead to."""
    forward, back = defaultdict[Node, list[Node]](list), defaultdict[Node, list[Node]](list)
    for edge in graph.edges:
        forward[edge.start].append(edge.end)
        back[edge.end].append(edge.start)
    found: set[Node] = set()
    for ways in (forward, back):
        seen, open_ones = set(some), list(some)
        while open_ones:
            for node in ways.get(open_ones.pop(), ()):
                if node not in seen:
                    seen.add(node)
                    open_ones.append(node)
        found |= seen
    return found
