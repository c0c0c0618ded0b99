"""The secrets guard: plaintext in what is admitted."""

from __future__ import annotations

import json
from typing import Any

from support.external import external_secret

from gateway.config import Config
from gateway.config.secrets import Secrets
from gateway.core.finding import Action
from gateway.core.guard import Judged, NotApplicable
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from webhooks.assembly import secrets_guard
from webhooks.secrets import plaintext

GUARD = secrets_guard(Config(secrets=Secrets(detect="deny", exempt_namespaces=("kube-*",))))


def pod(value: str) -> dict[str, Any]:
    containers = [{"name": "c", "image": "i", "env": [{"name": "DB_PASSWORD", "value": value}]}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers}}


def subject(new: dict[str, Any], old: dict[str, Any] | None = None, namespace: str = "web") -> Subject:
    group, _, version = new["apiVersion"].rpartition("/")
    return Subject(
        uid="u",
        operation="CREATE" if old is None else "UPDATE",
        kind=GroupVersionKind(group, version, new["kind"]),
        resource=GroupVersionResource(),
        user=UserInfo(),
        namespace=namespace,
        name=new["metadata"]["name"],
        raw_object=json.dumps(new).encode(),
        raw_old_object=json.dumps(old).encode() if old is not None else b"",
    )


async def test_plaintext_is_denied_at_admission() -> None:
    """A password in an environment is a finding of the guard, with the id that detect gives it, without the value."""
    outcome = await GUARD.judge(subject(pod("hunter2")))
    assert isinstance(outcome, Judged)
    (finding,) = outcome.findings
    assert (finding.guard, finding.rule, finding.action) == ("secrets", "detect/named-password", Action.DENY)
    assert finding.field == "spec.containers[name=c].env[name=DB_PASSWORD].value"
    assert "hunter2" not in str(outcome)


async def test_exempt_namespaces_are_not_judged() -> None:
    """Nor is a deletion, nor a scale."""
    assert isinstance(await GUARD.judge(subject(pod("hunter2"), namespace="kube-system")), NotApplicable)


def test_what_was_there_is_only_recorded() -> None:
    """An update that leaves a credential where it was is not held up by it."""
    (finding,) = plaintext(subject(pod("hunter2"), pod("hunter2")), Action.DENY, file=False)
    assert finding.action is Action.AUDIT
    (finding,) = plaintext(subject(pod("hunter2"), pod("")), Action.DENY, file=False)
    assert finding.action is Action.DENY


def test_a_finding_does_at_most_what_is_configured() -> None:
    """warn makes a denial a warning, and leaves a warning one."""
    assert [found.action for found in plaintext(subject(pod("hunter2")), Action.WARN, file=False)] == [Action.WARN]
    assert [found.action for found in plaintext(subject(pod("hunter2")), Action.AUDIT, file=False)] == [Action.AUDIT]


def test_values_of_secrets_are_a_matter_of_files() -> None:
    """At admission every Secret is plain text; in a file it must not be."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "hunter2"}}
    assert plaintext(subject(secret), Action.DENY, file=False) == []
    assert [found.rule for found in plaintext(subject(secret), Action.DENY, file=True)] == ["detect/kubernetes-secret"]


def test_a_fake_sealed_secret_is_denied() -> None:
    """What calls itself a SealedSecret and holds plain text is not let in."""
    fake = {
        "apiVersion": "bitnami.com/v1alpha1",
        "kind": "SealedSecret",
        "metadata": {"name": "s"},
        "spec": {"encryptedData": {"password": "aHVudGVyMg=="}},
    }
    assert [found.rule for found in plaintext(subject(fake), Action.DENY, file=False)] == ["detect/fake-sealed-secret"]


def test_it_is_off_unless_configured() -> None:
    """By default no object is looked through, and the guard is asked of sealed and external secrets alone."""
    guard = secrets_guard(Config())
    assert not guard.concerns(subject(pod("hunter2")))
    assert GUARD.concerns(subject(pod("hunter2")))
    sealed = {"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "metadata": {"name": "s"}}
    assert guard.concerns(subject(sealed))


async def test_an_external_secret_that_cannot_work_is_denied() -> None:
    """By default; what was wrong before is recorded, so that a finalizer can be taken from it."""
    guard, broken = secrets_guard(Config()), external_secret(data=[])
    assert guard.concerns(subject(broken))
    outcome = await guard.judge(subject(broken))
    assert isinstance(outcome, Judged)
    assert [(one.rule, one.action) for one in outcome.findings] == [("external-secrets/no-source", Action.DENY)]
    again = await guard.judge(subject(broken, broken))
    assert isinstance(again, Judged)
    assert [one.action for one in again.findings] == [Action.AUDIT]
    off = secrets_guard(Config(secrets=Secrets(external="off")))
    silent = await off.judge(subject(broken))
    assert isinstance(silent, Judged)
    assert silent.findings == ()
