"""The pinned gator and we judge the same templates, constraints and objects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gatekeeper_corpus import EXPANSIONS, MATCHES, REFUSED, RULES
from support.gatekeeper import Doc, verdicts_of_gator, verdicts_of_ours
from support.tools import tool

from gateway.config.policy import Policy
from gateway.core.errors import GovgateError
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from policies.embedded import EmbeddedOpa
from policies.gatekeeper.rules import ACTIONS
from policies.loading import load_rules
from policies.rule import INVENTORY, NAMESPACE, USER, Asked

pytestmark = [pytest.mark.servers, pytest.mark.native]

_ALIKE = RULES | MATCHES | EXPANSIONS


@pytest.fixture(scope="session")
def gator() -> str:
    return str(tool("gator"))


@pytest.mark.parametrize("documents", _ALIKE.values(), ids=_ALIKE.keys())
def test_same_violations(documents: list[Doc], gator: str, tmp_path: Path) -> None:
    """Constraint, object, message, action and details of every violation are those that gator gives."""
    expected = verdicts_of_gator(gator, documents, tmp_path)
    assert not isinstance(expected, str), expected
    assert verdicts_of_ours(documents) == expected


@pytest.mark.parametrize("documents", REFUSED.values(), ids=REFUSED.keys())
def test_same_refusals(documents: list[Doc], gator: str, tmp_path: Path) -> None:
    """What gator refuses we refuse."""
    assert isinstance(verdicts_of_gator(gator, documents, tmp_path), str)
    with pytest.raises(GovgateError):
        verdicts_of_ours(documents)


@pytest.mark.parametrize("documents", EXPANSIONS.values(), ids=EXPANSIONS.keys())
async def test_same_violations_among_all_rules(documents: list[Doc], gator: str, tmp_path: Path) -> None:
    """Loaded from a file as any rules are, they find the same in what an object implies, as findings about it."""
    expected = verdicts_of_gator(gator, documents, tmp_path)
    file = tmp_path / "rules.yaml"
    file.write_text("\n---\n".join(map(json.dumps, documents)))
    namespaces = {one["metadata"]["name"]: one for one in documents if one["kind"] == "Namespace"}
    namespaces.setdefault("default", {"metadata": {"name": "default"}})
    rules = await load_rules(Policy(sources=(str(file),)), EmbeddedOpa())
    try:
        asked = [_created(one, namespaces) for one in documents]
        outcomes = await rules.judge_all(asked, timeout_seconds=10)
        assert outcomes == [await rules.judge(one, timeout_seconds=10) for one in asked]
    finally:
        await rules.close()
    assert not any(outcome.undecided for outcome in outcomes)
    found = sorted(
        (
            *finding.rule.split("/")[1:],
            f"{finding.resource.kind}/{finding.resource.name}",
            finding.message,
            finding.action,
        )
        for outcome in outcomes
        for finding in outcome.findings
    )
    assert found == [(*one[:4], ACTIONS[one[4]]) for one in expected]


def _created(document: Doc, namespaces: dict[str, Doc]) -> Asked:
    """The request that creates it. An object without a namespace has an empty one for gator."""
    group, _, version = document["apiVersion"].rpartition("/")
    kind = GroupVersionKind(group, version, document["kind"])
    own = document["metadata"].get("namespace", "")
    request = {
        "operation": "CREATE",
        "kind": {"group": group, "version": version, "kind": kind.kind},
        "object": document,
    }
    subject = Subject(
        uid="u",
        operation="CREATE",
        kind=kind,
        resource=GroupVersionResource(),
        user=UserInfo(),
        namespace=own,
        name=document["metadata"].get("name", ""),
        raw_object=json.dumps(document).encode(),
        raw_request=json.dumps(request).encode(),
    )
    return Asked(subject, namespaces.get(own) if own else {}, frozenset((NAMESPACE, USER, INVENTORY)))
