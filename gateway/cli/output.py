"""Printing documents to stdout."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import yaml


def print_document(document: Any, output: Literal["yaml", "json"]) -> None:
    """Print JSON values as YAML or as indented JSON, keys in the order given."""
    if output == "json":
        print(msgspec.json.format(msgspec.json.encode(document)).decode())
    else:
        print(yaml.safe_dump(document, sort_keys=False, width=120), end="")
