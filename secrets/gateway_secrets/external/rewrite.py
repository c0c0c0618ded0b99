"""``dataFrom[].rewrite``: other keys for what was read. Source: ``RewriteMap`` in ESO's ``runtime/esutils/utils.go``.

A key that becomes empty is left out, with its value. Where it differs from ESO: two keys that become one are an error;
there, one of the values is lost, by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.native import paths
from gateway.native.library import NativeError
from gateway_secrets.external.errors import ContentError
from gateway_secrets.external.renderer import Renderer, rendered
from gateway_secrets.external.spec import MergeRewrite, Rewrite
from gateway_secrets.stores.values import fields_of, go_json, parse_json

Values = Mapping[str, bytes]


async def rewritten(
    values: Values, operations: Sequence[Rewrite], renderer: Renderer, *, where: str
) -> dict[str, bytes]:
    """The values under other keys, one operation after the other.

    Raises:
        ContentError: one cannot be carried out; names ``where``.
        NativeMissingError: there is no native library.
    """
    found = dict(values)
    for index, one in enumerate(operations):
        at = f"{where}[{index}]"
        if one.merge is not None:
            found = merged(found, one.merge, where=f"{at}.merge")
            continue
        new = await _names(list(found), one, renderer, at)
        found = _renamed(found, new, where=at)
    return found


async def renamed(names: Sequence[str], operations: Sequence[Rewrite], renderer: Renderer, *, where: str) -> list[str]:
    """What each name becomes, by one operation after the other; errors as :func:`rewritten`."""
    for index, one in enumerate(operations):
        names = await _names(names, one, renderer, f"{where}[{index}]")
    return list(names)


async def _names(names: Sequence[str], one: Rewrite, renderer: Renderer, at: str) -> list[str]:
    if one.regexp is not None:
        try:
            return paths.replaced(one.regexp.source, one.regexp.target, names)
        except NativeError as error:
            raise ContentError(f"{at}.regexp: {error}") from None
    if one.transform is None:
        return list(names)
    template, where = one.transform.template, [f"{at}.transform"]
    return [(await rendered(renderer, [template], {"value": name.encode()}, where))[0].decode() for name in names]


def merged(values: Values, operation: MergeRewrite, *, where: str) -> dict[str, bytes]:
    """The members of all values, which are JSON objects: in their place, or as one object under ``into``.

    Those of ``priority`` come last, and so win.

    Raises:
        ContentError: a value is no object, a key of ``priority`` is not there, or a member is there twice.
    """
    order = sorted(name for name in values if name not in operation.priority)
    members: dict[str, bytes] = {}
    raw: dict[str, object] = {}
    for name in (*order, *operation.priority):
        if name not in values:
            if operation.priority_policy == "IgnoreNotFound":
                continue
            raise ContentError(f"{where}.priority: there is no key {name!r}")
        fields = fields_of(values[name])
        if fields is None:
            raise ContentError(f"{where}: the value of {name!r} is no JSON object")
        twice = sorted(fields.keys() & members.keys())
        if twice and operation.conflict_policy == "Error":
            raise ContentError(f"{where}: {twice[0]!r} is there twice (conflictPolicy: Ignore takes the last)")
        members |= fields
        raw |= parse_json(values[name])
    if operation.strategy == "Extract":
        return members
    if not operation.into:
        raise ContentError(f"{where}.into: is missing, and strategy JSON needs it")
    return dict(values) | {operation.into: go_json(raw, html=False)}


def _renamed(values: Values, names: Sequence[str], *, where: str) -> dict[str, bytes]:
    new: dict[str, bytes] = {}
    for (old, value), name in zip(values.items(), names, strict=True):
        if not name:
            continue
        if name in new:
            raise ContentError(f"{where}: two keys become {name!r}, one of them {old!r}")
        new[name] = value
    return new
