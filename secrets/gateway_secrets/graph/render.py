"""The graph as text, JSON, Graphviz DOT and Mermaid. Names are others': in no format can one end where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

from gateway.core.text import shown
from gateway_secrets.graph.model import Edge, Graph, Node, Stage

Format = Literal["text", "json", "dot", "mermaid"]
_HOWS = 4
"""So many ways by which one uses another are shown; JSON has them all."""
_STAGES: tuple[Stage, ...] = get_args(Stage)
_DOT_SHAPES: Mapping[Stage, str] = {"remote": "cylinder", "source": "box", "secret": "note", "user": "component"}
_MERMAID_SHAPES: Mapping[Stage, tuple[str, str]] = {
    "remote": ("[(", ")]"),
    "source": ("[", "]"),
    "secret": ("([", "])"),
    "user": ("[[", "]]"),
}


def as_document(graph: Graph) -> dict[str, Any]:
    """``nodes``, ``edges`` by the nodes' ids, ``dangling``: for programs."""
    return {
        "nodes": [
            {
                "id": node.id,
                "stage": node.stage,
                "kind": node.kind,
                "group": node.group,
                "namespace": node.namespace,
                "name": node.name,
                "store": node.store,
            }
            for node in graph.nodes
        ],
        "edges": [{"from": edge.start.id, "to": edge.end.id, "how": list(edge.how)} for edge in graph.edges],
        "dangling": [{"id": one.node.id, "problem": one.problem} for one in graph.dangling],
    }


def as_text(graph: Graph) -> str:
    """A tree for each thing that nothing leads to; what was shown before is not shown again. Then what dangles."""
    following, ends = graph.next(), {edge.end for edge in graph.edges}
    roots = sorted((node for node in graph.nodes if node not in ends), key=_by_stage)
    seen: set[Node] = set()
    lines = [line for root in roots for line in _tree(root, (), 0, following, seen)]
    if graph.dangling:
        lines += ["", "dangling:"]
        lines += [f"  {shown(one.node.title)}: {shown(one.problem)}" for one in graph.dangling]
    return "".join(f"{line}\n" for line in lines)


def as_dot(graph: Graph) -> str:
    """For Graphviz."""
    names = {node: f"n{index}" for index, node in enumerate(graph.nodes)}
    dangling = {one.node for one in graph.dangling}
    lines = ["digraph secrets {", "  rankdir=LR;"]
    for node, name in names.items():
        style = ", style=dashed, color=red" if node in dangling else ""
        lines.append(f"  {name} [shape={_DOT_SHAPES[node.stage]}, label={_dot(node.title)}{style}];")
    for edge in graph.edges:
        label = f" [label={_dot(_how(edge.how))}]" if edge.how else ""
        lines.append(f"  {names[edge.start]} -> {names[edge.end]}{label};")
    return "\n".join((*lines, "}", ""))


def as_mermaid(graph: Graph) -> str:
    """For Markdown that draws."""
    names = {node: f"n{index}" for index, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node, name in names.items():
        left, right = _MERMAID_SHAPES[node.stage]
        lines.append(f'  {name}{left}"{_mermaid(node.title)}"{right}')
    for edge in graph.edges:
        label = f'|"{_mermaid(_how(edge.how))}"|' if edge.how else ""
        lines.append(f"  {names[edge.start]} -->{label} {names[edge.end]}")
    dangling = sorted({names[one.node] for one in graph.dangling}, key=lambda name: int(name[1:]))
    if dangling:
        lines += ["  classDef dangling stroke:#c00,stroke-dasharray:4", f"  class {','.join(dangling)} dangling"]
    return "\n".join((*lines, ""))


def _tree(
    node: Node, how: tuple[str, ...], depth: int, following: Mapping[Node, list[Edge]], seen: set[Node]
) -> Iterator[str]:
    """A line for the node, and those below it. The stages, and accounts between Secrets and workloads, bound the depth."""
    again = node in seen and node in following
    by = f"  {shown(_how(how))}" if how else ""
    yield f"{'  ' * depth}{'-> ' if depth else ''}{shown(node.title)}{by}{'  (see above)' if again else ''}"
    if again:
        return
    seen.add(node)
    for edge in following.get(node, ()):
        yield from _tree(edge.end, edge.how, depth + 1, following, seen)


def _by_stage(node: Node) -> tuple[int, Node]:
    return _STAGES.index(node.stage), node


def _how(how: tuple[str, ...]) -> str:
    more = f", and {len(how) - _HOWS} more" if len(how) > _HOWS else ""
    return ", ".join(how[:_HOWS]) + more


def _dot(text: str) -> str:
    escaped = shown(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _mermaid(text: str) -> str:
    """Whatever may mean something to Mermaid, or to the HTML that it makes, as the number of the character."""
    return "".join(one if one.isalnum() or one in " ./,-_:=" else f"#{ord(one)};" for one in shown(text))
