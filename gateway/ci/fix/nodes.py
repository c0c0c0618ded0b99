"""Where the parts of a YAML or JSON document stand in its text; only positions are taken from this parser.

It may disagree with Kubernetes' reader about what a document says. Nothing depends on that: what comes out is read by
Kubernetes' reader before it is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from gateway.ci.fix.plan import RefusalError

Node = Any
"""A node of PyYAML; its marks count characters of the text."""


class Nodes:
    """The nodes of the first document in a text."""

    def __init__(self, text: str) -> None:
        """Parse it.

        Raises:
            RefusalError: it cannot be parsed.
        """
        # A tab in JSON is white space, which this parser does not take; one inside a string would be an error there.
        json = text.lstrip().startswith(("{", "["))
        loader = yaml.CSafeLoader(text.replace("\t", " ") if json else text)
        try:
            self.root: Node = loader.get_node() if loader.check_node() else None
        except (yaml.YAMLError, RecursionError, ValueError):
            raise RefusalError("the place in the file cannot be told") from None
        finally:
            loader.dispose()
        self.json = json
        self._shared = _shared(self.root)

    def shared(self, node: Node) -> bool:
        """Whether the node has an anchor that an alias names: here is not the only place where it counts."""
        return id(node) in self._shared

    def end(self, node: Node) -> int | None:
        """Where the text of a node ends, without what follows it; None where an alias stands there."""
        while not self.shared(node):
            if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
                return int(node.end_mark.index)
            last = node.value[-1]
            node = last[1] if isinstance(node, yaml.MappingNode) else last
        return None


def is_map(node: Node) -> bool:
    """Whether the node is a map."""
    return isinstance(node, yaml.MappingNode)


def is_list(node: Node) -> bool:
    """Whether the node is a list."""
    return isinstance(node, yaml.SequenceNode)


def in_one_piece(node: Node) -> bool:
    """Whether its text begins and ends with it: a scalar that is no block, braces, brackets."""
    return node.style not in ("|", ">") if isinstance(node, yaml.ScalarNode) else bool(node.flow_style)


def name_of(key: Node) -> str | None:
    """The name of a member, None for a key that is no scalar."""
    return str(key.value) if isinstance(key, yaml.ScalarNode) else None


def merges(node: Node) -> bool:
    """Whether a map takes members from others (``<<``)."""
    return any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value)


def _children(node: Node) -> Iterator[Node]:
    if is_map(node):
        for key, value in node.value:
            yield key
            yield value
    elif is_list(node):
        yield from node.value


def _shared(root: Node) -> set[int]:
    seen: set[int] = set()
    shared: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            shared.add(id(node))
        else:
            seen.add(id(node))
            waiting += _children(node)
    return shared
