#!/usr/bin/env python3
"""Writes what of the chart follows from something else: a part of values.schema.json, and the table in README.md.

    tools/chart_files.py            write both anew

In the schema ``config`` is what `govgate config schema` prints, made smaller and its refusals readable: Helm prints the
value that was expected, and nothing else; and what values.yaml has a default for may not be null. The table has the
defaults and the comments of values.yaml. A test compares the files with what this gives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from gateway.config import Config

CHART = Path(__file__).resolve().parent.parent / "charts/govgate"
SCHEMA, VALUES, README = CHART / "values.schema.json", CHART / "values.yaml", CHART / "README.md"
TABLE = "<!-- Made by tools/chart_files.py from values.yaml. -->\n"
PREFIX = "config."
"""Of the definitions that are generated."""
CHART_DECIDES = ("apiVersion", "kind", "cluster")
"""Sections that are not to be given at all: a template says so, in better words than a schema."""
QUOTED = '"off" in quotes: YAML takes a bare off for false'

Json = Any


def main() -> int:
    """The command."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
    return 0


def files() -> dict[Path, str]:
    """Each file, as it should be."""
    text = VALUES.read_text(encoding="utf-8")
    schema = generated(json.loads(SCHEMA.read_text(encoding="utf-8")), yaml.safe_load(text))
    before, _, _ = README.read_text(encoding="utf-8").partition(TABLE)
    table = ["| value | default | what |", "| --- | --- | --- |"]
    table += [f"| `{path}` | {f'`{default}`' if default else ''} | {what} |" for path, default, what in described(text)]
    return {
        SCHEMA: json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        README: before + TABLE + "\n" + "\n".join(table) + "\n",
    }


def described(text: str) -> Iterator[tuple[str, str, str]]:
    """Of each value its path, its default as JSON, and the comment above it; of a section that has one, without a default."""
    values = yaml.safe_load(text)
    path: list[str] = []
    comment: list[str] = []
    for line in text.partition("\n\n")[2].splitlines():  # what comes first is about the whole file
        found = re.match(r"^( *)([A-Za-z]+):(.*)$", line)
        if found is None:
            comment = [*comment, line.strip().removeprefix("#").strip()] if line.strip().startswith("#") else []
            continue
        path = [*path[: len(found[1]) // 2], found[2]]
        default = values
        for name in path:
            default = default[name]
        what, comment = _cell(comment), []
        if found[3].strip() or not isinstance(default, dict):
            yield ".".join(path), _cell([json.dumps(default, ensure_ascii=False)]), what
        elif what:
            yield ".".join(path), "", what


def _cell(lines: list[str]) -> str:
    return " ".join(lines).replace("|", "\\|").replace("<", "&lt;")


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
