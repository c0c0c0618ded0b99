"""The page for operators says what is so: its examples are read, its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from gateway.config.drift import Drift
from gateway.config.load import parse_config
from webhooks.drift.exempt import BUILT_IN_WRITERS
from webhooks.drift.violations import Rule

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "drift.md").read_text(encoding="utf-8")
RECONCILERS = (DOCS / "reconcilers.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE + RECONCILERS, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_are_configurations(example: str) -> None:
    """Each can be copied as it stands."""
    parse_config(example.encode(), source="docs")


def test_every_rule_has_its_row() -> None:
    """A finding's rule can be looked up."""
    assert {rule.value for rule in Rule} == set(re.findall(r"^\| `(drift/[a-z-]+)` \|", PAGE, re.MULTILINE))


def test_every_built_in_writer_has_its_row() -> None:
    """With the user that it is recognised by."""
    rows = {row.split(" | ")[0].strip("| "): row for row in PAGE.splitlines() if row.startswith("| ")}
    for writer in BUILT_IN_WRITERS:
        row = rows[writer.name.removesuffix("-merge")]
        user = next(user for user in writer.actors.users if user.count(":") == 3)
        assert user.removeprefix("system:serviceaccount:") in row
        assert all(kind.partition(".")[0] in row for kind in writer.kinds)


def test_what_is_on_by_default_is_what_the_page_says() -> None:
    """The table of reconcilers names each section, and whether it is on."""
    rows = re.findall(r"^\| [^|]+ \| (`[^|]+`) \| (yes|no) \|", RECONCILERS, re.MULTILINE)
    written = {name: on == "yes" for names, on in rows for name in re.findall(r"`(\w+)`", names)}
    default = msgspec.to_builtins(Drift())
    assert written == {
        name: section.get("mode") != "disabled"
        for name, section in default.items()
        if isinstance(section, dict) and ("mode" in section or name == "kargo")
    }
