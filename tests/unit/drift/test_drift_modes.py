"""How strictly: per reconciler, per namespace, for doubts as for findings."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.reviews import (
    APPS,
    FLUX_LABELS,
    LABEL_FIELDS,
    SHOP,
    Known,
    at,
    changed,
    entry,
    judged,
    managed_object,
    policy,
    subject,
)

from gateway.config.drift import ArgoCD, Drift, FluxKustomization, NamespaceMode
from gateway.core.finding import Action
from gateway.core.guard import Indeterminate, Judged, NotApplicable, OnError
from gateway.core.subject import GroupVersionKind, Subject
from webhooks.drift.facts import NoFacts, Owner
from webhooks.drift.guard import DriftGuard

OWN = entry("kustomize-controller", {"f:metadata": LABEL_FIELDS, "f:spec": {"f:a": {}}})
OLD = managed_object({"a": 1}, OWN)
NEW = changed(OLD, at("spec.a", 2))


def actions(config: Drift, asked: Subject | None = None) -> list[str]:
    """What is done about what is found."""
    return [d.action.value for d in judged(asked or subject("UPDATE", old=OLD, new=NEW), None, config).drifted]


async def outcome(config: Drift, asked: Subject, facts: Any = None, *, limit: int = 50) -> Any:
    """The guard's outcome."""

    async def lookup(_subject: Subject) -> None:
        return None

    return await DriftGuard(policy(config), facts or NoFacts(), lookup, max_findings=limit).judge(asked)


@pytest.mark.parametrize(
    ("mode", "action"), [("enforce", ["deny"]), ("warn", ["warn"]), ("shadow", ["audit"]), ("disabled", [])]
)
def test_modes(mode: Any, action: list[str]) -> None:
    """enforce denies, warn warns, shadow records, disabled does not look; so for all, or one reconciler."""
    assert actions(Drift(mode=mode)) == action
    assert actions(Drift(flux_kustomization=FluxKustomization(mode=mode))) == action
    other = Drift(argo_cd=ArgoCD(mode=mode))
    assert actions(other) == ["deny"]


@pytest.mark.parametrize(
    ("config", "facts", "would"),
    [
        (Drift(), None, msgspec.UNSET),
        (Drift(mode="warn"), None, Action.DENY),
        (Drift(mode="shadow"), None, Action.DENY),
        (Drift(mode="shadow"), Known({APPS: Owner(lenient=True)}), msgspec.UNSET),
        (Drift(mode="shadow"), Known({APPS: Owner(paused="suspended")}), msgspec.UNSET),
    ],
)
async def test_what_enforcing_would_do_is_recorded(config: Drift, facts: Any, would: Any) -> None:
    """Where the mode alone holds a denial back; not where the owner itself leaves the object alone, or only warns."""
    found = await outcome(config, subject("UPDATE", old=OLD, new=NEW), facts)
    assert [finding.would for finding in found.findings] == [would]


def test_a_reconcilers_mode_goes_before_the_guards() -> None:
    """One reconciler may be enforced while the rest is only watched."""
    assert actions(Drift(mode="shadow", flux_kustomization=FluxKustomization(mode="enforce"))) == ["deny"]


@pytest.mark.parametrize(
    ("namespace", "action"), [("web", ["warn"]), ("web-2", ["audit"]), ("api", ["deny"]), ("", ["deny"])]
)
def test_a_namespaces_mode_goes_before_the_reconcilers(namespace: str, action: list[str]) -> None:
    """The first matching rule holds; cluster-scoped objects are in no namespace."""
    rules = (
        NamespaceMode(namespaces=("x", "web"), mode="warn"),
        NamespaceMode(namespaces=("web*",), mode="shadow"),
        NamespaceMode(namespaces=("w?b",), mode="disabled"),
    )
    config = Drift(namespaces=rules, flux_kustomization=FluxKustomization(mode="enforce"))
    assert actions(config, subject("UPDATE", old=OLD, new=NEW, namespace=namespace)) == action


@pytest.mark.parametrize(("operation", "namespace"), [("CREATE", ""), ("DELETE", "api"), ("DELETE", "")])
def test_a_namespace_is_ruled_by_its_own_mode(operation: str, namespace: str) -> None:
    """The Namespace object itself, even while it is created, when the request does not name it."""
    config = Drift(namespaces=(NamespaceMode(namespaces=("api",), mode="shadow"),))
    kind = GroupVersionKind("", "v1", "Namespace")
    old, new = (None, OLD) if operation == "CREATE" else (OLD, None)
    asked = subject(operation, old=old, new=new, kind=kind, namespace=namespace, name="")
    assert actions(config, asked) == ["audit"]
    other = GroupVersionKind("example.com", "v1", "Namespace")
    assert actions(config, subject(operation, old=old, new=new, kind=other, namespace="")) == ["deny"]


def test_two_owners_in_two_modes() -> None:
    """Each owner's findings are weighed by its own reconciler's mode."""
    marks = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:web/api"}
    old = managed_object({"a": 1}, OWN, entry("argocd-controller", {"f:spec": {"f:a": {}}}), annotations=marks)
    asked = subject("UPDATE", old=old, new=changed(old, at("spec.a", 2)))
    assert sorted(actions(Drift(argo_cd=ArgoCD(mode="shadow")), asked)) == ["audit", "deny"]
    assert actions(Drift(argo_cd=ArgoCD(mode="disabled")), asked) == ["deny"]


async def test_reasons_say_what_happened() -> None:
    """For the log: enforced or not, and why not."""
    asked = subject("UPDATE", old=OLD, new=NEW)
    assert (await outcome(Drift(), asked)).reason == "out-of-band change"
    assert (await outcome(Drift(mode="warn"), asked)).reason == "out-of-band change"
    assert (await outcome(Drift(mode="shadow"), asked)).reason == "out-of-band change, shadow mode"
    assert (await outcome(Drift(mode="disabled"), asked)) == NotApplicable("drift", "drift is disabled here")


DOUBTFUL = managed_object({"a": 1}, {**OWN, "apiVersion": "apps/v2"})


@pytest.mark.parametrize(
    ("config", "on_error", "would"),
    [
        (Drift(), "deny", None),
        (Drift(on_error=OnError.WARN), "warn", None),
        (Drift(on_error=OnError.ALLOW), "allow", None),
        (Drift(mode="warn"), "warn", "deny"),
        (Drift(mode="warn", on_error=OnError.ALLOW), "allow", "allow"),
        (Drift(mode="shadow"), "allow", "deny"),
        (Drift(flux_kustomization=FluxKustomization(mode="shadow")), "allow", "deny"),
        (Drift(argo_cd=ArgoCD(mode="shadow")), "deny", None),
    ],
)
async def test_a_doubt_is_no_stricter_than_the_mode(config: Drift, on_error: str, would: str | None) -> None:
    """What could not be decided about an object that is only watched refuses nothing, and says what it would do."""
    found = await outcome(config, subject("UPDATE", old=DOUBTFUL, new=changed(DOUBTFUL, at("spec.a", 2))))
    assert isinstance(found, Indeterminate)
    assert (found.on_error, found.would) == (on_error, would)


async def test_a_lenient_owners_doubt_is_not_held_back() -> None:
    """An owner that only warns about drift would refuse nothing where everything is enforced."""
    facts = Known({APPS: Owner(lenient=True)})
    asked = subject("UPDATE", old=DOUBTFUL, new=changed(DOUBTFUL, at("spec.a", 2)))
    for mode in ("enforce", "shadow"):
        found = await outcome(Drift(mode=mode), asked, facts)
        assert isinstance(found, Indeterminate)
        assert found.would is None


async def test_the_strictest_owners_doubt_counts() -> None:
    """Of two owners in doubt, one enforced, the request is refused; of one in doubt and one that denies, it is denied."""
    marks = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:web/api"}
    argo = entry("argocd-controller", {"f:spec": {"f:a": {}}}, version="apps/v3")
    old = managed_object({"a": 1}, {**OWN, "apiVersion": "apps/v2"}, argo, annotations=marks)
    asked = subject("UPDATE", old=old, new=changed(old, at("spec.a", 2)))
    found = await outcome(Drift(argo_cd=ArgoCD(mode="enforce"), mode="shadow"), asked)
    assert (found.on_error, "apps/v3" in found.reason) == ("deny", True)
    certain = managed_object({"a": 1}, OWN, argo, annotations=marks)
    asked = subject("UPDATE", old=certain, new=changed(certain, at("spec.a", 2)))
    found = await outcome(Drift(), asked)
    assert [finding.action for finding in found.findings] == [Action.DENY]


async def test_a_paused_owners_doubt_is_none() -> None:
    """Nothing that a suspended owner would find refuses anything."""
    facts = Known({SHOP: Owner(paused="x")}, problems={"argocd": "not read"})
    marks = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:web/api"}
    old = managed_object({"a": 1}, entry("argocd-controller", {"f:spec": {"f:a": {}}}), labels={}, annotations=marks)
    found = await outcome(Drift(), subject("UPDATE", old=old, new=changed(old, at("spec.a", 2))), facts)
    assert isinstance(found, Judged)


async def test_the_list_of_findings_is_bounded_and_says_so() -> None:
    """Denials first: the bound never hides why a request is denied."""
    fields = {f"f:x{i}": {} for i in range(9)}
    marks = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:web/api"}
    old = managed_object(
        {**{f"x{i}": 1 for i in range(9)}, "a": 1},
        entry("kustomize-controller", {"f:metadata": LABEL_FIELDS, "f:spec": fields}),
        entry("argocd-controller", {"f:spec": {"f:a": {}}}),
        annotations=marks, labels=FLUX_LABELS,
    )  # fmt: skip
    new = {**changed(old), "spec": {}}
    config = Drift(flux_kustomization=FluxKustomization(mode="shadow"))
    found = await outcome(config, subject("UPDATE", old=old, new=new), limit=3)
    assert [finding.action.value for finding in found.findings] == ["deny", "audit", "audit"]
    assert found.reason == "out-of-band change (7 more findings are not listed)"
