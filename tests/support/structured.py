"""What the pinned conftest makes of the structured files in ``tests/integration/ci/structured``, recorded beside them.

``PYTHONPATH=tests python -m support.structured`` records it anew, once ``tools/build.py conftest`` has built the tool.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from support.tools import tool

FOLDER = Path(__file__).resolve().parents[1] / "integration" / "ci" / "structured"
FILES = tuple(sorted(path.name for path in (FOLDER / "files").iterdir()))
RECORDED = FOLDER / "conftest.json"

Recording = dict[str, dict[str, Any]]
"""By file: ``documents``, None where conftest refuses the file; ``results`` by rule, as lists of messages."""


def recorded() -> Recording:
    """What was recorded; numbers are 64-bit floats, as conftest has them."""
    found: Recording = json.loads(RECORDED.read_text(), parse_int=float)
    return found


def record() -> Recording:
    """What the tool says now.

    Raises:
        ToolMissingError: it was not built.
    """
    conftest = tool("conftest")
    return {name: _record(conftest, name) for name in FILES}


def _record(conftest: str, name: str) -> dict[str, Any]:
    documents = _run(conftest, "parse", "--combine", f"files/{name}")
    if documents is None:
        return {"documents": None, "results": {}}
    tested = _run(conftest, "test", "-p", "policy", "--all-namespaces", "-o", "json", f"files/{name}")
    assert tested is not None
    return {"documents": [one["contents"] for one in documents], "results": _results(tested)}


def messages_of_conftest(folder: Path, files: list[str], *, combine: bool) -> list[str] | None:
    """All messages that the rules in ``policy`` below the folder give for files there; None where conftest refuses them."""
    options = ["--combine"] if combine else []
    command = (tool("conftest"), "test", "-p", "policy", "--all-namespaces", "-o", "json", *options, *files)
    tested = _run(*command, folder=folder)
    results = _results(tested or [])
    results.pop("exceptions", None)
    return None if tested is None else sorted({message for told in results.values() for message in told})


def _results(tested: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Messages by rule; of an exception, which has none, the query that found it."""
    found: dict[str, set[str]] = {}
    for one in tested:
        for result in (*one.get("failures", ()), *one.get("warnings", ())):
            rule = result["metadata"]["query"].removeprefix("data.")
            found.setdefault(rule, set()).add(result["msg"])
        for result in one.get("exceptions", ()):
            found.setdefault("exceptions", set()).add(result["msg"])
    return {rule: sorted(messages) for rule, messages in sorted(found.items())}


def _run(*command: str, folder: Path = FOLDER) -> Any:
    environment = {"TZ": "UTC", "HOME": "/nonexistent"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return json.loads(done.stdout) if done.stdout else None


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(record(), indent=1, sort_keys=True, ensure_ascii=False) + "\n")
