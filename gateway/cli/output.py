"""Printing documents to stdout, and messages to stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import yaml


def print_document(document: Any, output: Literal["yaml", "json"]) -> None:
    """Print what msgspec takes for JSON as YAML or as indented JSON, keys in the order given."""
    encoded = msgspec.json.encode(document)
    if output == "json":
        print(msgspec.json.format(encoded).decode())
    else:
        document = msgspec.json.decode(encoded)
        print(yaml.safe_dump(document, sort_keys=False, width=120), end="")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, each as wide as its widest cell, without control characters; nothing if there are no rows."""
    if not rows:
        return
    rows = [[_printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def say(text: str) -> None:
    """A message on stderr: one line, without control characters."""
    print(f"govgate: {_printable(text)}", file=sys.stderr)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
