"""What may be scaled and cannot be read."""

from __future__ import annotations

import pytest

from gateway.config.model import Config
from gateway.core.finding import Action
from gateway.core.guard import OnError
from gateway.doctor.rbac import Grant, Rule, Subject
from gateway.doctor.registrations import unguarded_groups
from gateway.doctor.scales import ServedResource, check_scales
from gateway.server.registration import Target, registration

OWN = ("govgate-system", "govgate-webhook")
SERVED = (
    ServedResource("argoproj.io", "rollouts", scales=True),
    ServedResource("apps", "deployments", scales=True),
    ServedResource("", "configmaps"),
)


def grant(*, group: str, resource: str, subject: str = "system:serviceaccount:govgate-system:govgate-webhook",
          kind: str = "User", namespace: str = "", names: tuple[str, ...] = ()) -> Grant:  # fmt: skip
    rule = Rule(("get",), (group,), (resource,), names)
    return Grant(Subject(kind, subject), rule, namespace, "ClusterRole x", ("ClusterRoleBinding", "", "x"))


DEPLOYMENTS = grant(group="apps", resource="deployments")


def hidden(*granted: Grant, on_error: OnError = OnError.DENY) -> list[tuple[str, Action]]:
    return [(one.message, one.action) for one in check_scales(SERVED, granted, {OWN}, on_error)]


def test_a_type_that_may_not_be_read_is_named():
    """Only what has a scale counts; with onError deny it is a risk, else it is noted."""
    ((message, action),) = hidden(DEPLOYMENTS)
    assert message.startswith("it may not get rollouts.argoproj.io everywhere")
    assert "refused as undecided" in message
    assert action is Action.WARN
    ((message, action),) = hidden(DEPLOYMENTS, on_error=OnError.ALLOW)
    assert "not judged" in message
    assert action is Action.AUDIT


@pytest.mark.parametrize(
    "more",
    [
        grant(group="argoproj.io", resource="rollouts"),
        grant(group="*", resource="*"),
        grant(group="argoproj.io", resource="rollouts", kind="Group", subject="system:serviceaccounts:govgate-system"),
    ],
)
def test_a_type_that_may_be_read_is_not(more):
    """By its account or by one of its groups."""
    assert hidden(DEPLOYMENTS, more) == []


@pytest.mark.parametrize(
    "less",
    [
        grant(group="argoproj.io", resource="rollouts", namespace="web"),
        grant(group="argoproj.io", resource="rollouts", names=("a",)),
        grant(group="argoproj.io", resource="rollouts", subject="system:serviceaccount:web:govgate-webhook"),
        grant(group="argoproj.io", resource="rollouts/scale"),
    ],
)
def test_a_right_that_does_not_suffice(less):
    """In one namespace, of one name, somebody else's, or of the Scale alone."""
    assert len(hidden(DEPLOYMENTS, less)) == 1


def test_a_group_that_is_left_out_is_not_told_of():
    """By every webhook that asks the drift guard: such a request is never sent. One that asks about it still counts."""
    settings = {"excluded_groups": ("argoproj.io",)}
    one = registration(Config(), Target(), **settings)
    two = registration(Config(), Target(), **settings, failure_policies={"provenance": "Ignore"})
    plain = registration(Config(), Target(), failure_policies={"provenance": "Ignore"})
    said = ["argoproj.io" in unguarded_groups(there) for there in (one, two, plain, None)]
    assert said == [True, True, False, False]
    assert check_scales(SERVED, [DEPLOYMENTS], {OWN}, OnError.DENY, unguarded_groups(two)) == []
    mixed = {"webhooks": [*one["webhooks"], *plain["webhooks"]]}
    assert len(check_scales(SERVED, [DEPLOYMENTS], {OWN}, OnError.DENY, unguarded_groups(mixed))) == 1


def test_what_is_not_known_is_undecided():
    """Without RBAC, discovery or Pods nothing is taken for fine."""
    for served, granted, accounts, says in (
        (None, [], {OWN}, "what is served could not be read"),
        (SERVED, None, {OWN}, "RBAC could not be read"),
        (SERVED, [], set(), "no Pods"),
    ):
        (one,) = check_scales(served, granted, accounts, OnError.DENY)
        assert says in one.reason
