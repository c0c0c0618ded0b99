"""What a rule needs to know beyond the object it judges: where that is not known, nothing is decided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from policies.rule import FILE, INVENTORY, NAMESPACE, USER, RuleInfo, inventory_of

_CONTEXTS = {
    INVENTORY: "data.inventory",
    NAMESPACE: "input.review.namespaceObject",
    USER: "input.review.userInfo",
    FILE: "data.conftest.file",
}


def needs_of(info: RuleInfo, references: Iterable[str] | None) -> tuple[str, ...]:
    """What beyond the object a rule needs to know: what it states, and what it is seen to read.

    ``references`` are of the query and all that it reaches, None where the engine cannot tell. Types of other objects
    are named one by one where the rule states them.
    """
    read = {
        name
        for name, path in _CONTEXTS.items()
        for reference in references or ()
        if reference == path or reference.startswith((f"{path}.", f"{path}["))
    }
    read.update(info.context)
    if info.inventory:
        read.discard(INVENTORY)
        read.update(map(inventory_of, info.inventory))
    return tuple(sorted(read))


def missing(needs: Sequence[str], known: frozenset[str]) -> list[str]:
    """What a rule needs and is not known. To know the whole inventory is to know each of its types."""
    return [need for need in needs if need not in known and not (need.startswith(INVENTORY) and INVENTORY in known)]
