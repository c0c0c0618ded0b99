"""The base documents that a server was given, kept to be given again, and what changes them there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from policies.remote.pointer import add, remove

Operation = dict[str, Any]


class Tree:
    """Objects within objects; a value that is put is never changed, the objects on the way to it are copied."""

    def __init__(self, documents: dict[str, Any]) -> None:
        self.documents = dict(documents)

    def put(self, path: Sequence[str], value: Any) -> list[Operation]:
        """Replace what is at ``path``, None removes it; the JSON patch that does the same elsewhere."""
        steps = list(path)
        at = self.documents
        for index, step in enumerate(steps[:-1]):
            below = at.get(step)
            if not isinstance(below, dict):
                return self._make(at, steps, index, value)
            at[step] = at = dict(below)
        last = steps[-1]
        if value is None:
            return [remove(steps)] if at.pop(last, None) is not None else []
        at[last] = value
        return [add(steps, value)]

    def _make(self, at: dict[str, Any], steps: list[str], index: int, value: Any) -> list[Operation]:
        """The rest of the way is not there."""
        if value is None:
            return []
        for step in reversed(steps[index + 1 :]):
            value = {step: value}
        at[steps[index]] = value
        return [add(steps[: index + 1], value)]
