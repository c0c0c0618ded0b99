"""``kubectl scale`` reaches only ``/scale``, and a Scale says nothing of the object but its name."""

from __future__ import annotations

from typing import Any

import pytest
from support.reviews import (
    APPS,
    HUMAN,
    KUSTOMIZE,
    LABEL_FIELDS,
    Known,
    broken,
    entry,
    excused,
    judged,
    managed_object,
    policy,
    subject,
)

from gateway.config.drift import Actors, Drift
from gateway.core.errors import UndecidedError
from gateway.core.guard import Indeterminate, Judged, OnError
from gateway.core.subject import GroupVersionKind, Subject, UserInfo
from webhooks.drift.facts import IgnoreRule, NoFacts, Owner
from webhooks.drift.guard import DriftGuard

SCALE = GroupVersionKind("autoscaling", "v1", "Scale")
HPA = UserInfo(username="system:serviceaccount:kube-system:horizontal-pod-autoscaler")
DENIED = {"spec.replicas": "drift/owned-field"}


def parent(*, declared: bool = True, manager: str = "kustomize-controller", **metadata: Any) -> dict:
    """The Deployment that is scaled; Git declares its replicas, or its other field."""
    fields = {"f:metadata": LABEL_FIELDS, "f:spec": {"f:replicas": {}} if declared else {"f:paused": {}}}
    return managed_object({"replicas": 1, "paused": False}, entry(manager, fields), **metadata)


def scale(before: int | None = 1, after: int | None = 5, user: UserInfo = HUMAN) -> Subject:
    """A request to ``deployments/scale``; zero is left out on the wire."""

    def item(replicas: int | None) -> dict:
        return {
            "apiVersion": "autoscaling/v1",
            "metadata": {"name": "api"},
            "spec": {"replicas": replicas} if replicas else {},
        }

    return subject("UPDATE", old=item(before), new=item(after), kind=SCALE, user=user, subresource="scale")


def test_declared_replicas_are_not_scaled() -> None:
    """A person's scale of what Git declares is denied, whatever the numbers."""
    assert broken(judged(scale(), parent=parent())) == DENIED
    assert broken(judged(scale(1, None), parent=parent())) == DENIED
    assert broken(judged(scale(None, 1), parent=parent())) == DENIED


def test_zero_replicas_are_a_number() -> None:
    """Zero is left out on the wire; it is what was asked for, not a removal."""
    to_zero, from_zero = (
        judged(asked, parent=parent()).drifted[0].violation for asked in (scale(1, None), scale(None, 1))
    )
    assert (to_zero.old, to_zero.new) == (1, 0)
    assert (from_zero.old, from_zero.new) == (0, 1)


def test_undeclared_replicas_are_anybodys() -> None:
    """Where Git leaves the replicas to an autoscaler, a person may set them, too."""
    assert broken(judged(scale(), parent=parent(declared=False))) == {}


def test_a_scale_that_changes_nothing_passes() -> None:
    """Even where the replicas are declared."""
    assert broken(judged(scale(3, 3), parent=parent())) == {}
    assert broken(judged(scale(None, None), parent=parent())) == {}


def test_the_reconciler_and_autoscalers_scale() -> None:
    """Autoscalers by exact name or group, without any look-up; they scale and no more."""
    assert broken(judged(scale(user=KUSTOMIZE), parent=parent())) == {}
    assert broken(judged(scale(user=HPA))) == {}
    assert broken(judged(scale(user=UserInfo(username="system:serviceaccount:keda:keda-operator")))) == {}
    config = Drift(autoscalers=Actors(groups=("scalers",)))
    assert broken(judged(scale(user=UserInfo(groups=("scalers",))), None, config)) == {}
    assert broken(judged(scale(user=HPA), None, config, parent=parent())) == DENIED
    for name in (HPA.username + "x", "horizontal-pod-autoscaler"):
        assert broken(judged(scale(user=UserInfo(username=name)), parent=parent())) == DENIED
    old = parent()
    new = {**old, "spec": {**old["spec"], "replicas": 5}}
    assert broken(judged(subject("UPDATE", old=old, new=new, user=HPA))) == DENIED


def test_an_unmanaged_parent_is_scaled() -> None:
    """Nobody's Deployment is anybody's to scale."""
    assert judged(scale(), parent=parent(labels={})).reason == "not managed"


def test_a_terminating_parent_is_scaled() -> None:
    """What is being deleted is let go."""
    assert broken(judged(scale(), parent=parent(deletionTimestamp="2026-01-01T00:00:00Z"))) == {}


def test_without_its_parent_a_scale_is_undecided() -> None:
    """What it scales may be declared, or not."""
    with pytest.raises(UndecidedError, match=r"cannot look up what is scaled \(scales api\)"):
        judged(scale())


def test_replicas_that_stand_elsewhere_are_undecided() -> None:
    """A custom resource may keep its replicas in any field: then it is not known whether Git declares them."""
    one = parent(declared=False)
    del one["spec"]["replicas"]
    assert "?" in broken(judged(scale(), parent=one))


def test_a_parent_without_any_declaration_is_undecided() -> None:
    """A managed object of which nothing says what Git declares."""
    marks = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:web/api"}
    one = managed_object({"replicas": 1}, labels={}, annotations=marks)
    assert "?" in broken(judged(scale(), parent=one))
    assert broken(judged(scale(1, 1), parent=one)) == {}


def test_intent_holds_for_scaling_too() -> None:
    """A suspended owner, or one that ignores the replicas, does not enforce them."""
    assert excused(judged(scale(), Known({APPS: Owner(paused="x")}), parent=parent())) == {"spec.replicas": "x"}
    for pointer, left in (
        ("/spec/replicas", True),
        ("/spec", True),
        ("/spec/paused", False),
        ("/spec/replicas/x", False),
    ):
        rule = IgnoreRule(kind="Deployment", pointers=(pointer,))
        facts = Known({APPS: Owner(ignore=(rule,))})
        assert (broken(judged(scale(), facts, parent=parent())) == {}) is left


async def test_findings_are_about_what_is_scaled() -> None:
    """The person asked to scale a Deployment, and is told about the Deployment."""
    asked: list[str] = []

    async def lookup(about: Subject) -> dict:
        asked.append(about.name)
        return parent()

    guard = DriftGuard(policy(), NoFacts(), lookup, max_findings=50)
    outcome = await guard.judge(scale())
    assert isinstance(outcome, Judged)
    assert [(f.resource.kind, f.resource.api_version, f.resource.name) for f in outcome.findings] == [
        ("Deployment", "apps/v1", "api")
    ]
    await guard.judge(scale(user=HPA))
    assert asked == ["api"]


@pytest.mark.parametrize(
    ("config", "on_error", "would"),
    [
        (Drift(), "deny", None),
        (Drift(on_error=OnError.WARN), "warn", None),
        (Drift(on_error=OnError.ALLOW), "allow", None),
        (Drift(mode="warn"), "warn", "deny"),
        (Drift(mode="shadow"), "allow", "deny"),
        (Drift(mode="warn", on_error=OnError.ALLOW), "allow", "allow"),
        (Drift(mode="disabled"), "allow", None),
    ],
)
async def test_a_failed_lookup_refuses_only_where_drift_is_enforced(
    config: Drift, on_error: str, would: str | None
) -> None:
    """Who tries the guard in shadow or warn mode must not find that nobody can scale; what would happen is known."""

    async def lookup(_about: Subject) -> dict | None:
        return None

    guard = DriftGuard(policy(config), NoFacts(), lookup, max_findings=50)
    if config.mode != "disabled":
        with pytest.raises(UndecidedError):
            await guard.judge(scale())
    assert (guard.on_error(scale()), guard.held_back(scale())) == (on_error, would)


async def test_a_disabled_guard_looks_nothing_up() -> None:
    """With every reconciler disabled there is nothing to ask."""

    async def lookup(_about: Subject) -> dict | None:
        raise AssertionError

    outcome = await DriftGuard(policy(Drift(mode="disabled")), NoFacts(), lookup, max_findings=50).judge(scale())
    assert not isinstance(outcome, Judged | Indeterminate)
