"""Every metric that a page, an alert or the dashboard names is there, with the labels that it is said to have."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts/govgate"
PAGES = {
    path.name: path.read_text() for path in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md", CHART / "README.md")
}
ENDINGS = {"Counter": ("_total",), "Histogram": ("", "_bucket", "_sum", "_count"), "Gauge": ("",)}
OF_A_SCRAPE = {"namespace", "pod"}
"""Labels that Prometheus adds."""
SELECTED = re.compile(r"\b(govgate_[a-z_]+)(?:\{([^}]*)\})?")
NO_METRICS = {"govgate_leases"}
"""What else is named so: a document of OPA's."""


def defined() -> Iterator[tuple[str, frozenset[str]]]:
    """Each series that the code may have, with its labels; a histogram's buckets have one more."""
    for path in (
        one for folder in ("gateway", "webhooks", "policies", "secrets") for one in (ROOT / folder).rglob("*.py")
    ):
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not call.args or not isinstance(call.args[0], ast.Constant):
                continue
            name, kind = call.args[0].value, getattr(call.func, "id", "")
            if kind in ENDINGS and str(name).startswith("govgate_"):
                labels = ast.literal_eval(call.args[2]) if len(call.args) > 2 else ()
                for ending in ENDINGS[kind]:
                    yield f"{name}{ending}", frozenset((*labels, *(["le"] if ending == "_bucket" else [])))


SERIES = dict(defined())


def test_metrics_are_found() -> None:
    """Of the server, of the controller, and of what both do."""
    assert len(SERIES) > 70
    assert SERIES["govgate_admission_requests_total"] == {"result"}
    assert SERIES["govgate_admission_duration_seconds_bucket"] == {"le"}


def expressions() -> Iterator[tuple[str, str, str]]:
    """Where, the expression, and what else names labels: a legend."""
    for group in yaml.safe_load((CHART / "files/alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"], " ".join(rule["annotations"].values())
    for panel in json.loads((CHART / "files/dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target.get("legendFormat", "")


@pytest.mark.parametrize(("where", "expression", "legend"), list(expressions()))
def test_what_is_asked_for_is_there(where: str, expression: str, legend: str) -> None:
    """Names, labels that are selected by, and labels that are grouped by, which a legend or a text may name."""
    selected = SELECTED.findall(expression)
    assert selected, where
    for name, matchers in selected:
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)) <= SERIES[name], name
    grouped = {label for by in re.findall(r"by \(([^)]*)\)", expression) for label in re.split(r",\s*", by)}
    for name, _ in selected:
        assert grouped <= SERIES[name] | OF_A_SCRAPE, name
    assert (
        set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", legend)) <= grouped | SERIES[selected[0][0]] | OF_A_SCRAPE
    )
    for name in re.findall(r"govgate_[a-z_]+", legend):
        assert name in SERIES


@pytest.mark.parametrize("page", sorted(name for name, text in PAGES.items() if "govgate_" in text))
def test_what_a_page_names_is_there(page: str) -> None:
    """By its whole name, so that an alert that is copied from there fires; with labels, where it tells of some."""
    for name, matchers in SELECTED.findall(PAGES[page].replace("\\|", "|")):
        if name.endswith("_") or name in NO_METRICS:
            continue
        assert name in SERIES
        assert set(re.findall(r"([a-z_]+)(?=\s*(?:=~|!~|!=|=|,|$))", re.sub(r'"[^"]*"', "", matchers))) <= SERIES[name]


def rows() -> Iterator[tuple[str, frozenset[str]]]:
    """Of the tables with a column of labels: each metric, and what the column says."""
    for page in ("server.md", "secrets.md"):
        for names, labels in re.findall(r"^\| (`govgate_[^|]*) \| ([^|]*)\|", PAGES[page], re.MULTILINE):
            for name in re.findall(r"`(govgate_\w+)`", names):
                yield name, frozenset(re.findall(r"`(\w+)`", labels))


@pytest.mark.parametrize(("name", "labels"), list(rows()))
def test_a_table_of_metrics_has_their_labels(name: str, labels: frozenset[str]) -> None:
    """All of them, and no others."""
    assert labels == SERIES[name]


def test_all_are_told_of() -> None:
    """None is left for people to find."""
    told = "\n".join(PAGES.values())
    wholes = {name for name in SERIES if not name.endswith(("_bucket", "_sum", "_count"))}
    assert {name for name in wholes if name not in told} == set()
