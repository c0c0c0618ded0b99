"""The pages that tell of metrics of secrets name those that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from gateway.controllers.metrics import ClusterExternalMetrics, ClusterPushMetrics, ExternalMetrics, PushMetrics

DOCS = Path(__file__).parents[3] / "docs"


def made() -> set[str]:
    """The names of all series that the controller of ExternalSecrets may have."""
    registry = CollectorRegistry()
    for one in (ExternalMetrics, PushMetrics, ClusterExternalMetrics, ClusterPushMetrics):
        one(registry)
    return {f"{one.name}_total" if one.type == "counter" else one.name for one in registry.collect()}


@pytest.mark.parametrize("page", ["secrets.md", "migrating-external-secrets.md"])
def test_what_a_page_names_is_there(page: str) -> None:
    """By its whole name, so that an alert that is copied from there fires."""
    named = set(re.findall(r"`(govgate_(?:cluster_)?external_\w+)", (DOCS / page).read_text()))
    assert named
    assert named <= made()


def test_all_are_told_of() -> None:
    """None is left for people to find."""
    text = (DOCS / "secrets.md").read_text()
    assert {name for name in made() if name not in text} == set()
