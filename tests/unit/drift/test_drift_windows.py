"""Times with a mode of their own: the calendar of the configuration, and Argo CD's sync windows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest
from support.reviews import (
    ADMIN,
    HUMAN,
    LABEL_FIELDS,
    NOW,
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

from gateway.config import drift as settings
from gateway.config.drift import Actors, ArgoCD, Drift, FluxKustomization, NamespaceMode, SyncWindows, Window
from gateway.core.guard import Judged, OnError
from gateway.core.schedule import ScheduleError
from gateway.core.subject import GroupVersionKind, Subject, UserInfo
from webhooks.drift.caches import OWNERS
from webhooks.drift.calendar import denies
from webhooks.drift.facts import NoFacts, Owner, SyncWindow
from webhooks.drift.guard import DriftGuard
from webhooks.drift.reconcilers.argocd_records import Project, application, completed, project
from webhooks.drift.reconcilers.known import reconcilers

NOON = Window(name="noon", schedule="0 12 * * *", duration_minutes=60, mode="warn")
EARLIER = NOW - timedelta(hours=1)
OLD = managed_object({"a": 1}, entry("kustomize-controller", {"f:metadata": LABEL_FIELDS, "f:spec": {"f:a": {}}}))
ARGO_OLD = managed_object(
    {"a": 1},
    entry("argocd-controller", {"f:spec": {"f:a": {}}}),
    labels={},
    annotations={"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:web/api"},
)
ALWAYS = {"schedule": "* * * * *", "duration": "1h", "applications": ["*"]}
NEVER_NOW = {"schedule": "0 3 * * *", "duration": "1h", "applications": ["*"]}


def asked(old: dict = OLD, user: UserInfo = HUMAN, **more: Any) -> Subject:
    """A change of what Git declares."""
    return subject("UPDATE", old=old, new=changed(old, at("spec.a", 2)), user=user, **more)


def window(**more: Any) -> Window:
    """The window at noon, with this about it."""
    base: dict[str, Any] = {name: getattr(NOON, name) for name in NOON.__struct_fields__}
    return Window(**{**base, **more})


def done(config: Drift, about: Subject | None = None, *, facts: Any = None, now: datetime = NOW) -> str:
    """What is done about the change; empty if it is not even looked at."""
    found = judged(about or asked(), facts, config, now=now).drifted
    return found[0].action.value if found else ""


# The calendar


def test_an_open_window_goes_before_every_other_mode() -> None:
    """Before the guard's, the reconciler's and the namespace's; closed, it is not there."""
    for config in (
        Drift(windows=(NOON,)),
        Drift(windows=(NOON,), flux_kustomization=FluxKustomization(mode="enforce")),
        Drift(windows=(NOON,), namespaces=(NamespaceMode(namespaces=("*",), mode="enforce"),)),
    ):
        assert done(config) == "warn"
        assert done(config, now=EARLIER) == "deny"


def test_a_window_may_tighten_and_may_switch_off() -> None:
    """A freeze enforces what is otherwise watched; maintenance looks away."""
    assert done(Drift(mode="shadow", windows=(window(mode="enforce"),))) == "deny"
    assert done(Drift(mode="disabled", windows=(window(mode="enforce"),))) == "deny"
    assert done(Drift(windows=(window(mode="disabled"),))) == ""
    off = Drift(flux_kustomization=FluxKustomization(mode="disabled"), windows=(window(mode="enforce"),))
    assert done(off) == ""


def test_the_first_open_window_is_taken() -> None:
    """Closed ones are passed over."""
    closed = window(name="night", schedule="0 3 * * *", mode="disabled")
    assert done(Drift(windows=(closed, NOON, window(mode="shadow")))) == "warn"


@pytest.mark.parametrize(
    ("more", "concerned"),
    [
        ({"namespaces": ("web",)}, True),
        ({"namespaces": ("w*", "other")}, True),
        ({"namespaces": ("other",)}, False),
        ({"namespaces": ()}, False),
        ({"reconcilers": ("fluxKustomization",)}, True),
        ({"reconcilers": ("argoCD", "fluxHelmRelease")}, False),
        ({"actors": Actors(groups=("developers",))}, True),
        ({"actors": Actors(users=("alice@example.com",))}, True),
        ({"actors": Actors(users=("alice",), groups=("night-shift",))}, False),
        ({"time_zone": "Asia/Tokyo"}, False),
        ({"time_zone": "Asia/Tokyo", "schedule": "0 21 * * *"}, True),
    ],
)
def test_whom_a_window_concerns(more: dict, concerned: bool) -> None:
    """By namespace, reconciler and user, in its own time zone."""
    assert done(Drift(windows=(window(**more),))) == ("warn" if concerned else "deny")


def test_what_is_in_no_namespace_is_in_all_of_them() -> None:
    """A ClusterRole is concerned by ``*`` alone; a Namespace is its own."""
    role = GroupVersionKind("rbac.authorization.k8s.io", "v1", "ClusterRole")
    assert done(Drift(windows=(NOON,)), asked(kind=role, namespace="")) == "warn"
    assert done(Drift(windows=(window(namespaces=("web",)),)), asked(kind=role, namespace="")) == "deny"


async def test_findings_and_doubts_follow_the_clock() -> None:
    """The guard reads its clock for each request: a window opens while it runs, and closes again."""
    times = iter((EARLIER, NOW, NOW + timedelta(hours=1)))
    clock: list[datetime] = []

    async def lookup(_subject: Subject) -> None:
        return None

    guard = DriftGuard(policy(Drift(windows=(NOON,))), NoFacts(), lookup, max_findings=9, clock=lambda: clock[0])
    seen = []
    for now in times:
        clock[:] = [now]
        outcome = await guard.judge(asked())
        assert isinstance(outcome, Judged)
        seen.append((outcome.findings[0].action.value, "(window noon)" in outcome.findings[0].message))
        assert guard.on_error(asked()) is (OnError.WARN if now == NOW else OnError.DENY)
    assert seen == [("deny", False), ("warn", True), ("deny", False)]


# Argo CD's sync windows


def sync(*windows: dict, name: str = "shop", **destination: str) -> tuple[SyncWindow, ...]:
    """The windows of a project that concern an Application."""
    place = {"server": "https://kubernetes.default.svc", "namespace": "web", **destination}
    record = application({"metadata": {"name": name, "namespace": "argocd"}, "spec": {"destination": place}})
    return completed(record, project({"spec": {"syncWindows": list(windows)}}, windows=True)).windows


def deny(**more: Any) -> dict:
    """A window that denies, now."""
    return {"kind": "deny", **ALWAYS, **more}


def allow(**more: Any) -> dict:
    """A window that allows, now."""
    return {"kind": "allow", **ALWAYS, **more}


@pytest.mark.parametrize(
    ("windows", "denied"),
    [
        ([], False),
        ([deny()], True),
        ([deny(**NEVER_NOW)], False),
        ([allow()], False),
        ([allow(**NEVER_NOW)], True),
        ([allow(), deny()], True),
        ([allow(), allow(**NEVER_NOW)], False),
        ([allow(**NEVER_NOW), deny(**NEVER_NOW)], True),
        ([allow(), deny(**NEVER_NOW)], False),
    ],
)
def test_what_denies_goes_before_what_allows(windows: list, denied: bool) -> None:
    """And where windows allow, every other time denies."""
    assert denies(sync(*windows), NOW, unless_manual=False) is denied


@pytest.mark.parametrize(
    ("windows", "denied"),
    [
        ([deny(manualSync=True)], False),
        ([deny(manualSync=True), deny()], True),
        ([deny(manualSync="true")], True),
        ([allow(**NEVER_NOW, manualSync=True)], False),
        ([allow(**NEVER_NOW, manualSync=True), allow(**NEVER_NOW)], True),
        ([allow(manualSync=True), deny()], True),
    ],
)
def test_windows_in_which_a_person_may_sync(windows: list, denied: bool) -> None:
    """Every one of those that deny must let a person sync; automated syncs are denied all the same."""
    assert denies(sync(*windows), NOW, unless_manual=True) is denied
    assert denies(sync(*windows), NOW, unless_manual=False) is True


@pytest.mark.parametrize(
    ("globs", "concerns"),
    [
        ({"applications": ["sh*"]}, True),
        ({"applications": ["other"]}, False),
        ({"namespaces": ["web"]}, True),
        ({"clusters": ["https://kubernetes*"]}, True),
        ({"clusters": ["in-cluster"]}, True),
        ({"clusters": ["spoke"]}, False),
        ({}, False),
        ({"applications": ["other"], "namespaces": ["web"]}, True),
        ({"applications": ["other"], "namespaces": ["web"], "andOperator": True}, False),
        ({"applications": ["shop"], "namespaces": ["web"], "andOperator": True}, True),
        ({"applications": ["shop"], "clusters": ["x"], "andOperator": True}, False),
        ({"andOperator": True}, False),
    ],
)
def test_which_applications_a_sync_window_concerns(globs: dict, concerns: bool) -> None:
    """Any of its globs, or, with ``andOperator``, one of each list that it has; none without any."""
    one = {"kind": "deny", "schedule": "* * * * *", "duration": "1h", **globs}
    assert bool(sync(one, name="shop", server="https://kubernetes.default.svc")) is (
        concerns and "in-cluster" not in globs.get("clusters", ())
    )
    assert bool(sync(one, server="", name_="x")) is (concerns and "clusters" not in globs)


def test_the_time_zones_present_offset_counts() -> None:
    """21:30 in Tokyo."""
    tokyo = {"schedule": "0 21 * * *", "timeZone": "Asia/Tokyo"}
    assert denies(sync(deny(**tokyo)), NOW, unless_manual=False) is True
    assert denies(sync(deny(**{**tokyo, "timeZone": ""})), NOW, unless_manual=False) is False


@pytest.mark.parametrize(
    ("duration", "length"),
    [
        ("1h", timedelta(hours=1)),
        ("1h30m", timedelta(minutes=90)),
        ("90s", timedelta(seconds=90)),
        ("1.5h", timedelta(minutes=90)),
        ("", None),
        ("1", None),
        ("1d", None),
        ("-1h", None),
        ("1h 30m", None),
        (60, None),
        ("9" * 40 + "h", None),
        ("1h" * 50, None),
    ],
)
def test_durations_are_gos(duration: Any, length: timedelta | None) -> None:
    """Hours, minutes and seconds; what is not readable is not guessed."""
    assert sync(deny(duration=duration))[0].length == length


@pytest.mark.parametrize(
    "broken",
    [
        {"duration": "1d"},
        {"kind": "maybe"},
        {"schedule": "x"},
        {"schedule": "0 0 */2 * 1"},
        {"schedule": "0 0 1 * */2"},
        {"timeZone": "Mars/Olympus"},
        {"schedule": 7},
    ],
)
def test_a_window_that_cannot_be_read_is_no_guess(broken: dict) -> None:
    """Also days of month or week that Argo CD's cron reads otherwise: then the stricter of two modes holds."""
    windows = sync(deny(**broken))
    with pytest.raises(ScheduleError):
        denies(windows, NOW, unless_manual=False)
    facts = Known({SHOP: Owner(windows=windows)})
    for mode, expected in (("shadow", "deny"), ("enforce", "deny")):
        config = Drift(argo_cd=ArgoCD(sync_windows=SyncWindows(mode=mode)))
        assert done(config, asked(ARGO_OLD), facts=facts) == expected
    watched = Drift(mode="shadow", argo_cd=ArgoCD(sync_windows=SyncWindows(mode="enforce")))
    assert done(watched, asked(ARGO_OLD), facts=facts) == "deny"


def test_a_step_over_all_days_with_any_weekday_is_read() -> None:
    """Only together with the other kind of days the two crons differ."""
    assert sync(deny(schedule="0 0 */2 * *"))[0].length
    assert sync(deny(schedule="0 0 ? * 1"))[0].schedule == "0 0 * * 1"


@pytest.mark.parametrize(
    ("mode", "usual", "result"),
    [
        (None, "enforce", "deny"),
        ("warn", "enforce", "warn"),
        ("shadow", "enforce", "audit"),
        ("disabled", "enforce", ""),
        ("enforce", "shadow", "deny"),
    ],
)
def test_the_mode_while_syncs_are_denied(mode: Any, usual: Any, result: str) -> None:
    """By default such times mean nothing here; else they loosen or tighten, and only while they last."""
    facts = Known({SHOP: Owner(windows=sync(deny(schedule="0 12 * * *")))})
    config = Drift(mode=usual, argo_cd=ArgoCD(sync_windows=SyncWindows(mode=mode)))
    plain = {"enforce": "deny", "shadow": "audit"}[usual]
    assert done(config, asked(ARGO_OLD), facts=facts) == result
    assert done(config, asked(ARGO_OLD), facts=facts, now=EARLIER) == plain
    assert done(config, asked(ARGO_OLD), facts=Known({SHOP: Owner()})) == plain
    assert done(config, facts=facts) == plain


def test_the_calendar_goes_before_sync_windows() -> None:
    """What the operator of this guard says is said last."""
    facts = Known({SHOP: Owner(windows=sync(deny()))})
    config = Drift(windows=(NOON,), argo_cd=ArgoCD(sync_windows=SyncWindows(mode="shadow")))
    assert done(config, asked(ARGO_OLD), facts=facts) == "warn"
    assert done(config, asked(ARGO_OLD, ADMIN), facts=facts, now=EARLIER) == "audit"


def test_windows_in_which_a_person_may_sync_need_not_count() -> None:
    """``unlessManual``."""
    facts = Known({SHOP: Owner(windows=sync(deny(manualSync=True)))})
    for unless, expected in ((False, "audit"), (True, "deny")):
        settings = SyncWindows(mode="shadow", unless_manual=unless)
        assert done(Drift(argo_cd=ArgoCD(sync_windows=settings)), asked(ARGO_OLD), facts=facts) == expected


@pytest.mark.parametrize("spec", [{}, {"syncWindows": 1}, {"syncWindows": [1, None]}, []])
def test_a_misshapen_project_has_no_windows(spec: Any) -> None:
    """A watch brings whatever was stored."""
    assert project({"spec": spec}, windows=True) == Project()
    assert project({"spec": {"syncWindows": [deny()]}}, windows=False) == Project()


def test_windows_can_name_every_reconciler() -> None:
    """By its section of the configuration, and nothing else; owners in the cluster are those of such a reconciler."""
    sections = {field.name: getattr(Drift(), field.name) for field in msgspec.structs.fields(Drift)}
    on = {
        name: msgspec.structs.replace(section, mode="enforce")
        for name, section in sections.items()
        if hasattr(section, "mode")
    }
    looked_at = reconcilers(Drift(**on))
    assert sorted(one.section for one in looked_at) == sorted(get_args(settings.Known))
    assert {kind.reconciler for kind in OWNERS} <= {one.id for one in looked_at}
