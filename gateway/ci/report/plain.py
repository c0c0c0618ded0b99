"""For programs: the JSON of the command contract, and the same as YAML."""

from __future__ import annotations

import msgspec
import yaml as pyyaml

from gateway.ci.run import Run


def json(run: Run) -> str:
    """One JSON document."""
    return msgspec.json.format(msgspec.json.encode(run.document())).decode() + "\n"


def yaml(run: Run) -> str:
    """One YAML document."""
    text: str = pyyaml.safe_dump(msgspec.to_builtins(run.document()), sort_keys=False, width=120)
    return text
