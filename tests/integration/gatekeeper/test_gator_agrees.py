"""The pinned gator and we judge the same templates, constraints and objects."""

from __future__ import annotations

from pathlib import Path

import pytest
from gatekeeper_corpus import EXPANSIONS, MATCHES, REFUSED, RULES
from support.gatekeeper import Doc, verdicts_of_gator, verdicts_of_ours
from support.tools import tool

from gateway.core.errors import GovgateError

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
