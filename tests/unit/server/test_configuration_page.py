"""docs/configuration.md against the model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from gateway.config import Config
from gateway.config.load import parse_config

PAGE = (Path(__file__).parents[3] / "docs/configuration.md").read_text()
ROW = re.compile(r"^\| `([^`]+)` \| (?:`(.*?)`|(required)) \|", re.MULTILINE)


def fields(struct: msgspec.inspect.StructType, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every field with its default as JSON; fields of list items as ``list[].field``, ``required`` without one."""
    for field in struct.fields:
        path, kind = prefix + field.encode_name, field.type
        if isinstance(kind, msgspec.inspect.StructType):
            yield from _with_defaults(kind, path + ".", field.default)
            continue
        empty = field.default_factory
        default = field.default if empty is msgspec.NODEFAULT else empty()
        yield path, msgspec.NODEFAULT if field.required else msgspec.to_builtins(default)
        if isinstance(kind, msgspec.inspect.VarTupleType) and isinstance(kind.item_type, msgspec.inspect.StructType):
            yield from fields(kind.item_type, path + "[].")


def _with_defaults(struct: msgspec.inspect.StructType, prefix: str, default: Any) -> Iterator[tuple[str, Any]]:
    """As ``fields``, with the values that the section has as its owner's default."""
    for path, own in fields(struct):
        value = default
        if value is not msgspec.NODEFAULT and "[]" not in path:
            value = msgspec.to_builtins(value)
            for part in path.split("."):
                value = value[part]
        yield prefix + path, own if value is msgspec.NODEFAULT or "[]" in path else value


def test_every_field_is_on_the_page_with_its_default() -> None:
    """The page has exactly the model's fields, each with the default that holds."""
    expected = {}
    for path, default in fields(msgspec.inspect.type_info(Config)):
        expected[path] = "required" if default is msgspec.NODEFAULT else default
    written = {path: required or json.loads(default) for path, default, required in ROW.findall(PAGE)}
    assert written == json.loads(msgspec.json.encode(expected))


def test_the_example_on_the_page_is_valid() -> None:
    """The page's example can be used as it stands."""
    example = PAGE.partition("```yaml\n")[2].partition("```")[0]
    assert yaml.safe_load(example)["kind"] == "Configuration"
    assert parse_config(example.encode(), source="page").drift.argo_cd.tracking == "annotation+label"
