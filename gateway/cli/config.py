"""``govgate config``: check the configuration, print its schema, show what is in force and from where."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import App, Parameter

from gateway.cli.output import print_document
from gateway.config import Config, load_config
from gateway.config.yaml import read_yaml
from gateway.provenance.trust.reading import read_policy

config_app = App(name="config", help="The configuration: check it, its JSON Schema, what is in force.")

_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


@config_app.command
def validate(file: Path) -> None:
    """Check a configuration file; what is wrong is named with its path.

    Parameters
    ----------
    file
        The file, in YAML or JSON.
    """
    loaded = load_config(file)
    for policy in loaded.config.provenance.policies:
        # Files and objects are those of where it will run: what they hold is found out there.
        read_policy(policy, source=str(file), read=lambda _path: b"a file", refer=lambda _place: b"an object")
    print(f"{file}: valid")


@config_app.command
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    print_document({"$schema": _SCHEMA, "title": "govgate configuration", **msgspec.json.schema(Config)}, "json")


@config_app.command
def show(
    *,
    config: Path | None = None,
    output: Annotated[Literal["table", "yaml", "json"], Parameter(alias="-o")] = "table",
) -> None:
    """Print every setting in force and where it comes from. There are no secrets in the configuration.

    Parameters
    ----------
    config
        The configuration file; else GOVGATE_CONFIG names it, else the embedded defaults hold.
    output
        A table of paths, values and origins; or the whole configuration as YAML, or as JSON with the origins.
    """
    loaded = load_config(config)
    document = msgspec.to_builtins(loaded.config)
    if output == "yaml":
        print(f"# {loaded.source}")
        print_document(document, "yaml")
        return
    is_file = Path(loaded.source).is_file()
    given = read_yaml(Path(loaded.source).read_text(), source=loaded.source) if is_file else {}
    origins = {path: loaded.source if _is_given(given, path) else "default" for path, _ in _leaves(document, ())}
    if output == "json":
        named = {".".join(path): origin for path, origin in origins.items()}
        print_document({"source": loaded.source, "config": document, "origins": named}, "json")
        return
    rows = [
        (".".join(path), msgspec.json.encode(value).decode(), origins[path]) for path, value in _leaves(document, ())
    ]
    width, value_width = max(len(row[0]) for row in rows), min(60, max(len(row[1]) for row in rows))
    for name, value, origin in rows:
        print(f"{name:<{width}}  {value:<{value_width}}  {origin}")


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every setting with its path; a list is one setting."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    else:
        yield path, value


def _is_given(document: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(document, dict) or key not in document:
            return False
        document = document[key]
    return True
