"""YAML as Kubernetes reads it (``sigs.k8s.io/yaml``, which is go-yaml v2 with duplicate keys rejected).

PyYAML takes ``1:30`` for a number, ``2026-01-01`` for a date and keeps the last of two equal keys; a reader that
disagrees with the API server about a document judges another document.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from gateway.core.errors import ConfigError

_TAG = "tag:yaml.org,2002:"
_BOOLS = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"), False),
}
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_INT = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|0[0-7_]+|0|[1-9][0-9_]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_MAX_DEPTH = 100


class _Loader(yaml.CSafeLoader):
    """CSafeLoader with Go's scalars, string keys only, no duplicate keys."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode and implicit[0]:
            if value in _BOOLS:
                return _TAG + "bool"
            if value in _NULLS:
                return _TAG + "null"
            if _INT.match(value):
                return _TAG + "int"
            return _TAG + ("float" if _FLOAT.match(value) else "str")
        if kind is yaml.ScalarNode:
            return _TAG + "str"
        return _TAG + ("seq" if kind is yaml.SequenceNode else "map")

    def construct_mapping(self, node: Any, deep: bool = True) -> dict[Hashable, Any]:  # noqa: ARG002 - PyYAML's name
        found: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = _key(self, key_node)
            if key in found:
                raise _refusal(f"duplicate key {key!r}", key_node)
            found[key] = self.construct_object(value_node, deep=True)
        return found


def _key(loader: Any, node: Any) -> str:
    """A key as JSON has it: a boolean or a number by its value, as ``sigs.k8s.io/yaml`` writes it."""
    key = loader.construct_object(node) if isinstance(node, yaml.ScalarNode) else None
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, str | int):
        return str(key)
    raise _refusal("a key must be a string", node)


def _construct_bool(_loader: Any, node: Any) -> bool:
    if node.value not in _BOOLS:
        raise _refusal("no boolean", node)
    return _BOOLS[node.value]


def _construct_int(_loader: Any, node: Any) -> int:
    text = node.value.replace("_", "").lower()
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if digits.startswith("0") and len(digits) > 1 and digits[1] not in "xob":
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def _construct_float(_loader: Any, node: Any) -> float | int:
    value = float(node.value)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


_Loader.add_constructor(_TAG + "bool", _construct_bool)
_Loader.add_constructor(_TAG + "int", _construct_int)
_Loader.add_constructor(_TAG + "float", _construct_float)


def read_yaml(text: str, *, source: str) -> Any:
    """The single document in ``text`` as JSON values (a document without content is ``None``).

    Raises:
        ConfigError: not YAML, several documents, a duplicate key, or an alias; names ``source`` and the line.
    """
    try:
        _refuse_aliases(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of the safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{source}:{mark.line + 1}" if mark else source
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{where}: {' '.join(problem.split())}") from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"{source}: {type(error).__name__}: not readable as YAML") from None


def read_yaml_stream(text: str, *, source: str) -> list[tuple[int, Any]]:
    """The documents in ``text`` as JSON values, each with the line it begins in (from 1); empty ones are left out.

    Raises:
        ConfigError: as :func:`read_yaml`; names ``source`` and the line, not what stands there, which may be a secret.
    """
    loader = None
    try:
        _refuse_aliases(text)
        found: list[tuple[int, Any]] = []
        loader = _Loader(text)
        while loader.check_node():
            node: Any = loader.get_node()
            found.append((node.start_mark.line + 1, loader.construct_document(node)))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{source}:{mark.line + 1}" if mark else source
        raise ConfigError(f"{where}: is no YAML that Kubernetes reads") from None
    except (RecursionError, ValueError):
        raise ConfigError(f"{source}: is no YAML that Kubernetes reads") from None
    else:
        return [(line, value) for line, value in found if value is not None]
    finally:
        if loader is not None:
            loader.dispose()


def _refusal(what: str, at: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=at.start_mark)


def _refuse_aliases(text: str) -> None:
    """Aliases multiply (the "billion laughs"): a configuration has no use for them. Depth is bounded too."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _refusal("aliases are not allowed here", event)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise _refusal("nested too deeply", event)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
