"""A registration against the one that was asked for, and how it is put back."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.model import Config, Registration
from gateway.core.errors import ConfigError
from gateway.server.registered import bundle_of, described, differences, made_anew, put_back
from gateway.server.registration import Target, registration
from gateway.server.registration_watch import Wrong, judged, to_be_restored
from gateway.server.wanted import wanted_registration

WANTED = registration(Config(), Target(), failure_policies={"provenance": "Ignore"})
NAMES = [one["name"] for one in WANTED["webhooks"]]


def there(**changed: Any) -> dict[str, Any]:
    """As the API server gives it: with defaults and ``caBundle``; the first webhook with what is changed."""
    found = copy.deepcopy(WANTED)
    found["metadata"] |= {"resourceVersion": "7", "uid": "u", "managedFields": [{}]}
    for webhook in found["webhooks"]:
        webhook["clientConfig"]["caBundle"] = "Q0E="
        webhook |= {"objectSelector": {}}
    found["webhooks"][0] |= changed
    return found


def test_defaults_and_the_authority_are_no_difference():
    """What the API server and the certificates' keeper fill in is as it should be; so is another order."""
    found = there()
    found["webhooks"].reverse()
    found["webhooks"][0]["rules"].reverse()
    found["webhooks"][0]["matchConditions"].reverse()
    assert differences(WANTED, found) == []
    assert judged(WANTED, found) is None


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"failurePolicy": "Ignore"}, "failurePolicy"),
        ({"timeoutSeconds": 1}, "timeoutSeconds"),
        ({"namespaceSelector": {"matchLabels": {"judge": "me"}}}, "namespaceSelector.matchExpressions"),
        ({"matchConditions": [{"name": "never", "expression": "false"}]}, "matchConditions.never"),
        ({"rules": []}, "rules"),
        ({"objectSelector": {"matchLabels": {"a": "b"}}}, "objectSelector.matchLabels"),
        ({"clientConfig": {"url": "https://elsewhere/"}}, "clientConfig.url"),
    ],
)
def test_each_change_is_named(changed, path):
    """By its path."""
    assert f"webhooks[{NAMES[0]}].{path}" in differences(WANTED, there(**changed))


def test_a_webhook_too_many_or_too_few():
    """Each is named."""
    found = there()
    found["webhooks"][0] |= {"name": "mine.example.com"}
    assert differences(WANTED, found) == [
        f"webhooks[{NAMES[0]}]: not there",
        "webhooks[mine.example.com]: not asked for",
    ]


def test_an_authority_that_was_asked_for_must_be_that_one():
    """With `tls.mode: existing` the chart's registration says whom to believe."""
    wanted = copy.deepcopy(WANTED)
    for webhook in wanted["webhooks"]:
        webhook["clientConfig"]["caBundle"] = "T1RIRVI="
    assert f"webhooks[{NAMES[0]}].clientConfig.caBundle" in differences(wanted, there())


@given(st.lists(st.integers(0, len(NAMES)), max_size=3), st.booleans())
def test_what_was_put_back_is_as_it_should_be(dropped, strange):
    """Whatever was done to the webhooks; the authority and the object's identity stay."""
    found = there(failurePolicy="Ignore", rules=[])
    found["webhooks"] = [one for n, one in enumerate(found["webhooks"]) if n not in dropped]
    if strange:
        found["webhooks"].append({"name": "x.example.com", "clientConfig": {"url": "https://x/"}})
    kept = bundle_of(found)
    restored = put_back(WANTED, found)
    assert differences(WANTED, restored) == []
    assert {one["clientConfig"].get("caBundle", "") for one in restored["webhooks"]} == {kept}
    assert restored["metadata"]["resourceVersion"] == "7"
    assert "managedFields" not in restored["metadata"]


def test_what_is_made_anew_believes_who_was_believed():
    """The `caBundle` that was seen last; nothing of the old object's identity."""
    made = made_anew(WANTED, "govgate", there())
    assert {one["clientConfig"]["caBundle"] for one in made["webhooks"]} == {"Q0E="}
    assert made["metadata"] == {"name": "govgate", "labels": WANTED["metadata"]["labels"]}
    assert bundle_of(made_anew(WANTED, "govgate", {})) == ""


def test_who_installed_it_and_who_fills_it_in_stays():
    """Labels and annotations of the one that was removed, but for what kubectl remembers of it."""
    seen = there()
    seen["metadata"]["annotations"] = {
        "cert-manager.io/inject-ca-from": "a/b",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
    }
    seen["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    metadata = made_anew(WANTED, "govgate", seen)["metadata"]
    assert metadata["annotations"] == {"cert-manager.io/inject-ca-from": "a/b"}
    assert metadata["labels"] == {"app.kubernetes.io/managed-by": "Helm", **WANTED["metadata"]["labels"]}


@pytest.mark.parametrize(
    ("restore", "removed", "seconds", "expected"),
    [
        ("never", False, 1e9, False),
        ("changed", False, 119, False),
        ("changed", False, 120, True),
        ("changed", True, 1e9, False),
        ("always", True, 119, False),
        ("always", True, 120, True),
        ("always", False, 120, True),
    ],
)
def test_when_it_is_put_back(restore, removed, seconds, expected):
    """Only as configured, and not before it was wrong for a while: deleting it is the emergency exit."""
    settings = Registration(name="govgate", restore=restore)
    assert to_be_restored(settings, Wrong("…", removed), seconds) is expected


def test_a_line_names_some_of_many():
    """The text stays a line."""
    assert described([f"p{n}" for n in range(9)]) == "p0, p1, p2, p3, p4, p5, and 3 more"


def test_the_file_must_be_a_registration(tmp_path):
    """Anything else is an error that names the file."""
    file = tmp_path / "registration.yaml"
    for text in (
        "[]",
        "kind: ConfigMap",
        "kind: ValidatingWebhookConfiguration\nwebhooks: {}",
        "a: [",
        "webhooks: [1]",
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=r"registration\.yaml"):
            wanted_registration(Config(), Registration(name="govgate", file=str(file)))
    assert wanted_registration(Config(), Registration(name="gg"))["metadata"]["name"] == "gg"
