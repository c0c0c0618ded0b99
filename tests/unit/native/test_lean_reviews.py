"""Reviews whose objects come without managed fields."""

import json

import pytest

from gateway.native import rego

pytestmark = pytest.mark.native

REVIEW = {
    "object": {"metadata": {"name": "a", "managedFields": [{"manager": "x"}]}, "managedFields": "kept"},
    "oldObject": {"metadata": {"managedFields": []}},
    "metadata": {"managedFields": "kept"},
}


@pytest.fixture
def rules():
    compiled = rego.compile_rules([], ["input"])
    yield compiled
    compiled.close()


def asked(rules, document, **options):
    [[answer]] = rules.evaluate([document], timeout_seconds=5, **options)
    return json.loads(bytes(answer.value))


def test_managed_fields_of_both_objects_are_left_out_and_nothing_else(rules):
    """Other members of that name stay."""
    lean = asked(rules, json.dumps({"review": REVIEW}).encode(), lean=True)["review"]
    assert lean["object"] == {"metadata": {"name": "a"}, "managedFields": "kept"}
    assert lean["oldObject"] == {"metadata": {}}
    assert lean["metadata"] == {"managedFields": "kept"}


def test_without_being_asked_for_nothing_is_left_out(rules):
    """The input is the document."""
    assert asked(rules, json.dumps({"review": REVIEW}).encode()) == {"review": REVIEW}


def test_a_document_that_is_not_plain_is_treated_alike(rules):
    """A key that is there twice takes the other way through the reader."""
    text = json.dumps({"review": REVIEW}).removesuffix("}") + ', "review": ' + json.dumps(REVIEW) + "}"
    assert asked(rules, text.encode(), lean=True)["review"]["object"]["metadata"] == {"name": "a"}


async def test_the_loop_asks_alike(rules):
    """``ask`` leaves out what ``evaluate`` does."""
    [answer] = await rules.ask(json.dumps({"review": REVIEW}).encode(), timeout_seconds=5, lean=True)
    assert json.loads(bytes(answer.value))["review"]["oldObject"] == {"metadata": {}}
