"""Subjects, verdicts and logs for the tests of the audit log."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gateway.audit.chain import draft_event
from gateway.audit.record import Bodies, decision_draft
from gateway.audit.wire import Entry
from gateway.core.canonical import sha256_digest
from gateway.core.finding import Action, Finding, Resource, Severity
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from gateway.core.verdict import Decision, Verdict

RULES = "sha256:" + "0" * 64
START_NS = 1_760_000_000_000_000_000


PLAINTEXT = "open-sesame"
"""What no log may hold: a value in the environment of :func:`deployment`."""


def deployment(number: int = 0) -> bytes:
    """A Deployment whose environment holds what must not be kept."""
    container = {
        "name": "api",
        "image": "registry.example/api:1",
        "args": ["--x"],
        "env": [{"name": "P", "value": PLAINTEXT}],
    }
    document = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api", "namespace": "web", "resourceVersion": str(number)},
        "spec": {"replicas": number, "template": {"spec": {"containers": [container]}}},
    }
    return msgspec.json.encode(document)


def subject(number: int = 0, **changes: object) -> Subject:
    """An UPDATE of a Deployment by a person."""
    given: dict[str, object] = {
        "uid": f"request-{number}",
        "operation": "UPDATE",
        "kind": GroupVersionKind("apps", "v1", "Deployment"),
        "resource": GroupVersionResource("apps", "v1", "deployments"),
        "user": UserInfo("alice", "u-1", ("dev", "system:authenticated")),
        "namespace": "web",
        "name": "api",
        "raw_object": deployment(number),
        "raw_old_object": deployment(number - 1),
    }
    return Subject(**(given | changes))  # type: ignore[arg-type]


def denial(message: str = "spec.replicas is managed by Flux") -> Verdict:
    """A denial with one finding."""
    resource = Resource("apps/v1", "Deployment", "web", "api")
    finding = Finding(
        "f-0123456789abcdef", "drift/owned-field", Severity.HIGH, Action.DENY, "drift", resource, "spec.replicas",
        message, "change it in Git",
    )  # fmt: skip
    return Verdict(Decision.DENY, (finding,), (), ("drift: managed",))


def allowance() -> Verdict:
    """Nothing found."""
    return Verdict(Decision.ALLOW, (), (), ("drift: not managed",))


def entry(
    number: int, *, body: bytes | None = None, verdict: Verdict | None = None, time_ns: int | None = None
) -> Entry:
    """What a worker sends for one decision."""
    kept = b'{"number":%d}' % number if body is None else body
    address = sha256_digest(kept)
    draft = decision_draft(
        subject(number),
        verdict or denial(),
        rules=RULES,
        timings={"total": 100 + number},
        bodies=Bodies(object=address),
        time_ns=START_NS + number * 1_000_000_000 if time_ns is None else time_ns,
    )
    return Entry(draft, (address,), ((address, kept),))


def event_entry(kind: str = "config") -> Entry:
    """A record about the gateway itself."""
    return Entry(draft_event(kind, {"source": "test"}))


def folder(tmp_path: Path) -> Path:
    """Where a test's log is."""
    return tmp_path / "state"
