#!/usr/bin/env python3
"""Writes the part of the chart's values.schema.json that the configuration's own model defines, and what may not be null.

    tools/chart_schema.py            write charts/govgate/values.schema.json anew

``config`` is what `govgate config schema` prints, made smaller and its refusals readable: Helm prints the value that was
expected, and nothing else. A test compares the file with what this gives.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import yaml

from gateway.config import Config

CHART = Path(__file__).resolve().parent.parent / "charts/govgate"
SCHEMA = CHART / "values.schema.json"
PREFIX = "config."
"""Of the definitions that are generated."""
CHART_DECIDES = ("apiVersion", "kind", "cluster")
"""Sections that are not to be given at all: a template says so, in better words than a schema."""
QUOTED = '"off" in quotes: YAML takes a bare off for false'

Json = Any


def main() -> int:
    """The command."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    SCHEMA.write_text(json.dumps(generated(schema, values), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def generated(schema: Json, values: Json) -> Json:
    """The whole schema, with its generated parts anew."""
    model = msgspec.json.schema(Config)["$defs"]
    kept = {name: one for name, one in schema["$defs"].items() if not name.startswith(PREFIX)}
    new = {_named(name): _plain(one) for name, one in model.items()}
    root = new.pop(_named("Config"))
    root["description"] = "The Configuration; docs/configuration.md"
    root["properties"].update({name: {} for name in CHART_DECIDES})
    properties = {**schema["properties"], "config": root}
    whole = {**schema, "$defs": {**kept, **dict(sorted(new.items()))}, "properties": properties}
    _demand(whole, values)
    whole["required"] = sorted({*whole["required"], "config"})
    return whole


def _named(section: str) -> str:
    """A definition's name; msgspec writes the module before those of which there are two."""
    return PREFIX + section.removeprefix("gateway.config.")


def _plain(model: Json) -> Json:
    """A part of the model's schema without what Helm has no use for."""
    if isinstance(model, list):
        return [_plain(one) for one in model]
    if not isinstance(model, dict):
        return model
    if "$ref" in model:
        return {"$ref": f"#/$defs/{_named(model['$ref'].rpartition('/')[2])}"}
    enumeration = _enumeration(model)
    if enumeration is not None:
        return enumeration
    kept = {key: one for key, one in model.items() if key not in {"title", "default"}}
    if "properties" in kept:
        kept["properties"] = {name: _plain(one) for name, one in kept["properties"].items()}
    if "description" in kept:
        kept["description"] = kept["description"].replace("``", "`").partition("\n\n")[0]
    return {key: one if key == "properties" else _plain(one) for key, one in kept.items()}


def _enumeration(model: Json) -> Json:
    """One list of what is accepted, where several are offered; None where it is no such list."""
    offered = model.get("anyOf", [model])
    words: list[Json] = []
    for one in offered:
        if one == {"type": "null"}:
            words.append(None)
        elif set(one) <= {"enum", "default", "title", "description"} and "enum" in one:
            words += one["enum"]
        else:
            return None
    words = [word for word in words if word is not None] + [None] * (None in words)
    if "off" not in words:
        return {"enum": words}
    return {"if": {"type": "boolean"}, "then": {"const": QUOTED}, "else": {"enum": words}}


def _demand(schema: Json, values: Json) -> None:
    """What has a default is there unless somebody sets it to null, which templates do not expect."""
    properties = schema.get("properties")
    if properties is None or not isinstance(values, dict):
        return
    needed = {name for name, value in values.items() if value not in ("", {}, [], None)} & properties.keys()
    if needed:
        schema["required"] = sorted(needed)
    for name in needed - {"resources"}:  # requests and limits may be taken away
        _demand(properties[name], values[name])


if __name__ == "__main__":
    raise SystemExit(main())
