"""Equality of JSON values, and the value that is not there."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

import msgspec

_encode = msgspec.json.encode


class _Missing(Enum):
    MISSING = "missing"


MISSING: Final = _Missing.MISSING
"""No such field. JSON ``null`` counts as missing: the API server drops it from typed objects."""


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values are equal, with booleans and numbers told apart (``1 == True`` in Python)."""
    if left is right:
        return True
    if left != right:
        return False
    if isinstance(left, str):
        return True
    # Equal in Python; equal bytes settle it without a walk (other bytes may only be another order of keys).
    return _encode(left) == _encode(right) or _same_types(left, right)


def _same_types(left: Any, right: Any) -> bool:
    """For values that compare equal: whether no boolean faces a number."""
    if isinstance(left, dict):
        return all(_same_types(value, right[key]) for key, value in left.items())
    if isinstance(left, list):
        return all(map(_same_types, left, right))
    return isinstance(left, bool) is isinstance(right, bool)
