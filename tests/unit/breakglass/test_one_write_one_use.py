"""One write is one use, however often the API server asks about it; and no two changes are ever one."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.grants import NOW, grant_object

from gateway.config.breakglass import BreakGlass
from gateway.core.finding import Action, Finding, Resource, Severity
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Json, Subject, UserInfo
from webhooks.breakglass.clock import Moment
from webhooks.breakglass.grant import Approval, Changed, Grant, Status, Target, Use, read_grant, spec_digest
from webhooks.breakglass.once import RETRY, joined, known, origin_of
from webhooks.breakglass.rules import violations
from webhooks.breakglass.using import choose, use_of
from webhooks.breakglass.writer import Writer

AT = Moment.exactly(NOW)
WEB = Target("Deployment", "web", "apps/v1", "shop")
REPLICAS = Changed("spec.replicas", "sha256:2", "sha256:3")
SECRET = Changed("spec.template.spec.containers[name=api].env[name=TOKEN].value")


def use(origin: str = "o/7", *fields: Changed, seconds: float = 0, user: str = "alice", **changed: object) -> Use:
    one = Use("u", NOW + timedelta(seconds=seconds), user, "UPDATE", WEB, fields or (REPLICAS,), origin)
    return msgspec.structs.replace(one, **changed)


def request(operation: str, new: Json, old: Json, user: str = "alice", *, subresource: str = "") -> Subject:
    return Subject(
        uid="u", operation=operation, kind=GroupVersionKind("apps", "v1", "Deployment"),
        resource=GroupVersionResource("apps", "v1", "deployments"), user=UserInfo(user), namespace="shop",
        subresource=subresource, name="web", raw_object=msgspec.json.encode(new) if new else b"",
        raw_old_object=msgspec.json.encode(old) if old else b"",
    )  # fmt: skip


def test_of_what_at_most_one_write_succeeds() -> None:
    """An object at a version; an object that is deleted, or made; and where the API server says nothing, nothing."""
    live = {"metadata": {"uid": "o", "resourceVersion": "7"}, "spec": {"replicas": 2}}
    assert origin_of(request("UPDATE", live, live)) == "o/7"
    assert origin_of(request("DELETE", {}, live)) == "o"
    assert origin_of(request("CREATE", live, {})) == "o"
    assert origin_of(request("UPDATE", live, {"metadata": {"uid": "o"}})) == ""
    assert origin_of(request("UPDATE", live, {"metadata": []})) == ""


def test_a_uid_that_the_client_made_up_is_no_origin() -> None:
    """An Eviction, or a token, is not stored: its uid is what was sent, and the same for as many as one likes."""
    eviction = {"metadata": {"name": "web-0", "uid": "made-up"}}
    assert origin_of(request("CREATE", eviction, {}, subresource="eviction")) == ""
    live = {"metadata": {"uid": "o", "resourceVersion": "7"}}
    assert origin_of(request("UPDATE", live, live, subresource="scale")) == "o/7"


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        (use(), True),
        (use("o/7", SECRET), True),  # another guard's, of the same write
        (use("o/7", seconds=3600), True),
        (use("o/8"), True),  # tried again
        (use("o/8", seconds=RETRY.total_seconds() + 1), False),
        (use("o/8", Changed("spec.replicas", "sha256:2", "sha256:4")), False),
        (use("o/8", Changed("spec.replicas", "sha256:3", "sha256:4")), False),
        (use("o/8", REPLICAS, SECRET), False),
        (use("", user="bob"), False),
        (use("o/7", user="bob"), False),
        (use("o/7", operation="DELETE"), False),
        (use("o/7", object=Target("Deployment", "api", "apps/v1", "shop")), False),
    ],
)
def test_which_requests_are_one_writes(asked: Use, same: bool) -> None:
    """The same version of the same object, or the same change within seconds: by the same user, in the same way."""
    assert (known([use()], asked) is not None) is same


def test_what_may_not_be_shown_is_never_the_same_change() -> None:
    """There is no digest to tell two values apart by."""
    before = use("o/7", SECRET)
    assert known([before], use("o/8", SECRET)) is None
    assert known([before], use("o/7", SECRET)) == 0
    assert known([use("", SECRET)], use("", SECRET)) is None


FIELDS = st.lists(
    st.builds(Changed, st.sampled_from(["a", "b"]), st.sampled_from(["", "1", "2"]), st.sampled_from(["", "1", "2"])),
    min_size=1, max_size=3,
).map(tuple)  # fmt: skip
USES = st.builds(
    lambda origin, fields, seconds, user: use(origin, *fields, seconds=seconds, user=user),
    st.sampled_from(["", "o/7", "o/8"]), FIELDS, st.integers(0, 30), st.sampled_from(["alice", "bob"]),
)  # fmt: skip


@given(st.lists(USES, max_size=6))
def test_counted_are_at_least_the_writes_that_can_have_changed_something(asked: list[Use]) -> None:
    """Of requests by one user at one version one use is kept; whatever else is joined is the very same change."""
    kept: list[Use] = []
    for one in asked:
        index = known(kept, one)
        if index is None:
            kept.append(one)
            continue
        before = kept[index]
        assert before.user == one.user
        assert (before.origin and before.origin == one.origin) or set(one.fields) <= set(before.fields)
        kept[index] = joined(before, one)
        assert set(kept[index].fields) == {*before.fields, *one.fields}
        assert msgspec.structs.replace(kept[index], fields=before.fields) == before
    assert {one.user for one in kept} == {one.user for one in asked}
    fields = {(one.user, field) for one in kept for field in one.fields}
    assert fields == {(one.user, field) for one in asked for field in one.fields}


def granted(*uses: Use, **spec: object) -> Grant:
    grant = read_grant(grant_object(**spec))
    approval = Approval("bob@example.com", spec_digest(grant.spec))
    return msgspec.structs.replace(grant, status=Status(approval=approval, used=len(uses), uses=uses))


def test_a_grant_that_a_write_used_up_holds_for_that_write() -> None:
    """Asked about it by another webhook: it goes before others that would be used up in vain, and for no other write."""
    live = {"metadata": {"uid": "o", "resourceVersion": "7"}, "spec": {"replicas": 2}}
    subject = request("UPDATE", {"metadata": {}, "spec": {"replicas": 3}}, live, "alice@example.com")
    about = Resource("apps/v1", "Deployment", "shop", "web")
    found = [Finding("i", "drift/owned-field", Severity.HIGH, Action.DENY, "drift", about, "spec.replicas", "", "")]
    used = granted(use_of(subject, found, NOW))
    other = msgspec.structs.replace(granted(expires=NOW + timedelta(minutes=1)), name="other")
    assert choose([used, other], subject, found, AT, most=50).grant == used
    next_one = {"metadata": {"uid": "o", "resourceVersion": "8"}, "spec": {}}
    later = request("UPDATE", {"spec": {"replicas": 4}}, next_one, "alice@example.com")
    assert choose([used], later, found, AT, most=50).idle == ("breakglass/web covers this, but is used-up",)
    assert choose([used], subject, found, Moment.exactly(NOW + timedelta(hours=2)), most=50).grant is None


def test_the_gateway_may_add_what_another_guard_refused() -> None:
    """To one use, of a grant that this used up; it takes no field away, and changes nothing else."""
    old = granted(use())
    gateway = Writer("govgate", gateway=True)

    def refused(after: Use, *, number: int = 1, writer: Writer = gateway) -> str:
        status = msgspec.structs.replace(old.status, used=number, uses=(after,))
        new = msgspec.structs.replace(old, status=status)
        return "; ".join(one.text for one in violations(old, new, writer, AT, BreakGlass()))

    more = joined(use(), use("o/7", SECRET))
    assert refused(more) == ""
    assert "gateway alone" in refused(more, writer=Writer("alice"))
    assert "one use" in refused(use("o/7", SECRET))
    assert "one use" in refused(msgspec.structs.replace(more, origin="o/8"))
    assert "one use" in refused(more, number=2)
