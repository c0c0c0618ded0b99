"""The registration that is printed."""

from __future__ import annotations

import base64

from gateway.config.model import Cluster, Config
from gateway.server.registration import CONDITIONS, Target, registration


def webhook(**options: object) -> dict:
    document = registration(Config(), options.pop("target", Target()), **options)
    assert document["kind"] == "ValidatingWebhookConfiguration"
    (one,) = document["webhooks"]
    return one


def test_it_fails_closed_and_sees_dry_runs() -> None:
    """By default what could not be judged does not happen, and dry runs are judged too."""
    one = webhook()
    assert (one["failurePolicy"], one["sideEffects"], one["matchPolicy"]) == ("Fail", "None", "Equivalent")
    assert one["admissionReviewVersions"] == ["v1"]


def test_what_it_covers() -> None:
    """Main resources in three operations, and those subresources that change what is declared; no status."""
    main, subresources = webhook()["rules"]
    assert (main["operations"], main["resources"]) == (["CREATE", "UPDATE", "DELETE"], ["*"])
    assert subresources["resources"] == [
        "*/scale",
        "pods/ephemeralcontainers",
        "pods/resize",
        "policywaivers/status",
        "clusterpolicywaivers/status",
    ]
    assert {rule["scope"] for rule in (main, subresources)} == {"*"}


def test_conditions_are_within_the_bounds_of_the_api() -> None:
    """At most 64 conditions, each with a name and an expression of its own."""
    conditions = webhook()["matchConditions"]
    assert len(conditions) <= 64
    assert {condition["name"] for condition in conditions} == set(CONDITIONS)
    for condition in conditions:
        assert condition["expression"].startswith("!(")


def test_govgate_can_be_started_and_repaired() -> None:
    """The namespace that the configuration calls its own is not asked about."""
    document = registration(Config(cluster=Cluster(own_namespace="policy")), Target())
    assert document["webhooks"][0]["namespaceSelector"]["matchExpressions"] == [
        {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["policy"]}
    ]
    assert document["webhooks"][0]["clientConfig"]["service"]["namespace"] == "policy"


def test_targets_and_authority() -> None:
    """A URL replaces the service; the authority is base64 of what was given, and absent without."""
    one = webhook(target=Target(url="https://example.test/v1/validate"), ca_bundle=b"PEM")
    assert one["clientConfig"] == {
        "url": "https://example.test/v1/validate",
        "caBundle": base64.b64encode(b"PEM").decode(),
    }
    service = webhook(target=Target(service="s", namespace="n"))["clientConfig"]
    assert service == {"service": {"name": "s", "namespace": "n", "path": "/v1/validate", "port": 443}}
