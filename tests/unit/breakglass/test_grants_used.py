"""Which grant lets a refused request through, and what is kept of the use."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import msgspec
import pytest
from support.grants import NOW, grant_object

from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from webhooks.breakglass.clock import Moment
from webhooks.breakglass.grant import Approval, Grant, read_grant, spec_digest
from webhooks.breakglass.noted import Notes, digest_of
from webhooks.breakglass.opened import Opened
from webhooks.breakglass.seen import seen
from webhooks.breakglass.using import choose, command_for, excused, use_of

ALICE, BOB = "alice@example.com", "bob@example.com"
WEB = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}}
AT = Moment.exactly(NOW)
IMAGE = "spec.template.spec.containers[name=api].image"


def web(replicas: int, image: str) -> bytes:
    container = {"name": "api", "image": image, "env": [{"name": "TOKEN", "value": f"secret-{image}"}]}
    spec = {"replicas": replicas, "template": {"spec": {"containers": [container]}}}
    return msgspec.json.encode(WEB | {"spec": spec})


def request(user: str = ALICE, operation: str = "UPDATE", *, groups: tuple[str, ...] = ()) -> Subject:
    return Subject(
        uid="u-1",
        operation=operation,
        kind=GroupVersionKind("apps", "v1", "Deployment"),
        resource=GroupVersionResource("apps", "v1", "deployments"),
        user=UserInfo(user, groups=groups),
        namespace="shop",
        name="web",
        raw_object=web(3, "api:2") if operation != "DELETE" else b"",
        raw_old_object=web(2, "api:1"),
    )


def finding(
    field: str = "spec.replicas", *, guard: str = "drift", name: str = "web", namespace: str = "shop"
) -> Finding:
    about = Resource("apps/v1", "Deployment", namespace, name)
    return Finding(
        finding_id("drift/owned-field", about, field), "drift/owned-field", Severity.HIGH, Action.DENY, guard, about,
        field, "replicas would change", "",
    )  # fmt: skip


def active(name: str = "web", **spec: object) -> Grant:
    grant = read_grant(grant_object(name, **spec))
    approval = Approval(BOB, spec_digest(grant.spec))
    return msgspec.structs.replace(grant, status=msgspec.structs.replace(grant.status, approval=approval))


def chosen(
    grants: list[Grant], *findings: Finding, user: str = ALICE, operation: str = "UPDATE", most: int = 50
) -> str:
    choice = choose(grants, request(user, operation), findings, AT, most=most)
    return choice.grant.name if choice.grant else "; ".join(choice.idle)


def scope(**changed: object) -> dict:
    return {"namespaces": ["shop"], "kinds": ["apps/Deployment"], "names": ["web"]} | changed


def test_a_grant_covers_what_it_names() -> None:
    """Whom, where, which object, field, operation and guard: one of them another, and it does not help."""
    assert chosen([active()], finding()) == "web"
    assert chosen([active()], finding(), user=BOB) == ""
    assert chosen([active()], finding(), operation="DELETE") == ""
    assert chosen([active()], finding(guard="policy")) == ""
    assert chosen([active()], finding(name="other")) == ""
    assert chosen([active()], finding(namespace="")) == ""
    assert chosen([active(scope=scope(kinds=["Deployment", "apps/StatefulSet"]))], finding()) == ""
    assert chosen([active(scope=scope(fields=[IMAGE]))], finding()) == ""
    assert chosen([active(scope=scope(fields=[IMAGE]))], finding(IMAGE)) == "web"
    assert chosen([active(scope=scope(namespaces=[]))], finding(namespace="")) == "web"
    assert chosen([active(scope=scope(namespaces=["*"]))], finding(namespace="elsewhere")) == "web"
    assert chosen([active(scope=scope(guards=["drift", "policy"]))], finding(), finding(guard="policy")) == "web"


def test_it_covers_all_or_nothing() -> None:
    """A request that is refused for something else besides is not let through, and nothing is counted."""
    assert chosen([active(scope=scope(fields=["spec.replicas"]))], finding(), finding(IMAGE)) == ""


def test_what_is_waived_needs_no_grant() -> None:
    """It refuses nothing: a grant need not cover it, and it is no part of the use."""
    waived = msgspec.structs.replace(finding("spec.paused", guard="policy"), exception="waiver/shop/web")
    assert chosen([active()], finding(), waived) == "web"
    assert [one.field for one in use_of(request(), [finding(), waived], NOW).fields] == ["spec.replicas"]


def test_why_a_grant_does_not_help() -> None:
    """One that is about the request, and does not hold, is named with its state."""
    pending = read_grant(grant_object())
    assert chosen([pending], finding()) == "breakglass/web covers this, but is pending"
    assert "expired" in chosen([active(expires=NOW)], finding())
    assert chosen([pending, active("other")], finding()) == "other"


def test_a_grant_is_not_chosen_that_is_over_by_one_clock() -> None:
    """Whichever it is; the person is told that they do not agree."""
    for now in (NOW, NOW + timedelta(hours=2)):
        moment = Moment(NOW, NOW + timedelta(hours=2), now, agreed=False)
        choice = choose([active()], request(), [finding()], moment, most=50)
        assert choice.grant is None
        assert "do not agree" in choice.idle[0]


def test_findings_that_are_not_told_are_not_let_through() -> None:
    """Where a guard tells no more than it may, there may be changes that no grant was asked for."""
    assert "so many fields" in chosen([active()], finding(), finding(IMAGE), most=2)
    many = [finding(f"spec.f{index}") for index in range(33)]
    assert "so many fields" in chosen([active()], *many)


def test_what_is_kept_of_a_use() -> None:
    """Object, fields and digests; no digest where the value may not be shown."""
    env = "spec.template.spec.containers[name=api].env[name=TOKEN].value"
    use = use_of(request(), [finding(), finding(IMAGE), finding(env)], NOW)
    assert (use.user, use.operation, use.object.name, use.time) == (ALICE, "UPDATE", "web", NOW)
    replicas, image, token = use.fields
    assert replicas.before != replicas.after
    assert image.before.startswith("sha256:")
    assert (token.field, token.before, token.after) == (env, "", "")
    assert b"secret" not in msgspec.json.encode(use)


def test_what_is_let_through_is_seen() -> None:
    """The finding is kept and names the grant; another one tells the person."""
    note, kept = excused(active(), [finding()], count="use 1 of 1")
    assert kept.exception == "breakglass/web"
    assert (note.action, note.rule) == (Action.WARN, "break-glass/used")
    assert "use 1 of 1; INC-7: the shop is down; approved by bob@example.com" in note.message
    emergency = read_grant(grant_object())
    approval = Approval(ALICE, spec_digest(emergency.spec), emergency=True)
    alone = msgspec.structs.replace(emergency, status=msgspec.structs.replace(emergency.status, approval=approval))
    note, _ = excused(alone, [finding()], count="use 1 of 1")
    assert note.severity is Severity.CRITICAL
    assert "approved by nobody else" in note.message


def test_the_command_that_asks() -> None:
    """With object, fields and operation filled in, as a shell takes it."""
    assert command_for([finding(), finding(IMAGE)], "UPDATE") == (
        "govgate break-glass request apps/Deployment shop/web --field=spec.replicas "
        f"'--field={IMAGE}' --ticket=TICKET --reason=WHY"
    )
    assert "--operation=DELETE" in command_for([finding("")], "DELETE")
    assert command_for([finding(guard="policy")], "UPDATE") == ""


@pytest.mark.parametrize("last", [0, 1])
def test_a_field_counts_as_it_was_changed_last(last: int) -> None:
    """Whichever grant that was under."""
    uses = [msgspec.structs.replace(use_of(request(), [finding()], NOW + timedelta(seconds=index == last)), id=f"u-{index}")
            for index in range(2)]  # fmt: skip
    grants = [
        msgspec.structs.replace(active(f"g-{index}"), status=msgspec.structs.replace(active().status, uses=(use,)))
        for index, use in enumerate(uses)
    ]
    opened = Opened(grants)
    ((_, (one,)),) = opened.objects()
    assert one.grant.name == f"g-{last}"
    assert opened.fields(request()) == ("spec.replicas",)


class Reads:
    """Of notes, counted."""

    def __init__(self, **data: str) -> None:
        self.count, self._data = 0, data

    async def find(self, path: str) -> dict:
        assert path.startswith("/api/v1/namespaces/govgate/configmaps/")
        self.count += 1
        return {"data": self._data}

    def clear(self) -> None:
        self._data = {}


async def test_notes_are_read_once_however_many_grants_nobody_saw() -> None:
    """Many unseen grants do not take a request's deadline many times over."""
    grants = [active(f"g-{number}") for number in range(5)]
    reads = Reads()
    notes = Notes(cast("Any", reads), "govgate")
    choice, doubt = await seen(grants, request(), [finding()], AT, notes, most=9, seconds=60)
    assert (choice.grant, doubt, reads.count) == (None, None, 1)
    assert sum("no gateway saw its approval" in why for why in choice.idle) == 5
    last = Reads(**{grants[4].uid: f"{digest_of(grants[4])} x"})
    notes = Notes(cast("Any", last), "govgate")
    choice, _ = await seen(grants, request(), [finding()], AT, notes, most=9, seconds=60)
    assert (choice.grant, last.count) == (grants[4], 1)


async def test_what_is_removed_from_the_notes_holds_no_more() -> None:
    """Also where it held before: replicas agree, whatever each of them saw."""
    grant = active()
    reads = Reads(**{grant.uid: f"{digest_of(grant)} x"})
    notes = Notes(cast("Any", reads), "govgate")
    choice, _ = await seen([grant], request(), [finding()], AT, notes, most=9, seconds=60)
    assert choice.grant == grant
    reads.clear()
    choice, doubt = await seen([grant], request(), [finding()], AT, notes, most=9, seconds=60)
    assert (choice.grant, doubt) == (None, None)
    assert "its note was removed" in choice.idle[0]
