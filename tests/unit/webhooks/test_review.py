"""The wire format: what is read, what is refused and how, and what is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedRequestError
from gateway.core.finding import Action, Finding, Resource
from gateway.core.guard import Indeterminate, Judged, OnError
from gateway.core.subject import GroupVersionKind, GroupVersionResource, UserInfo
from gateway.core.verdict import combine
from webhooks.review import MAX_WARNING_CHARS, MAX_WARNINGS, decode_review, encode_response

SECRET = "hunter2-do-not-quote"
REQUEST: dict[str, Any] = {
    "uid": "u-1",
    "operation": "UPDATE",
    "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
    "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
    "subResource": "scale",
    "namespace": "web",
    "name": "api",
    "userInfo": {"username": "alice", "uid": "7", "groups": ["a"], "extra": {"k": ["v"]}},
    "object": {"a": 1},
    "oldObject": {"a": 0},
    "dryRun": True,
    "options": {"kind": "UpdateOptions"},
    "requestKind": {"kind": "x"},
}
REVIEW = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": REQUEST}


def body(**changes: Any) -> bytes:
    """A review with some fields of its request changed, or removed where the value is None."""
    request = {key: value for key, value in {**REQUEST, **changes}.items() if value is not None}
    return json.dumps({**REVIEW, "request": request}).encode()


def finding(action: Action = Action.DENY, message: str = "m", **more: Any) -> Finding:
    return Finding("f-1", "drift/x", "high", action, "drift", Resource("v1", "A", "b", "c"), "", message, "r", **more)


def answer(*outcomes: Any, message: str = "no") -> dict[str, Any]:
    """The response in the review that answers these outcomes."""
    review = json.loads(encode_response("u-1", combine(outcomes), rules="sha256:1", message=message))
    assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response: dict[str, Any] = review["response"]
    assert response["uid"] == "u-1"
    return response


# In


def test_a_review_is_read_whole() -> None:
    """Every field that is judged comes through, unknown ones are ignored."""
    found = decode_review(body())
    assert (found.uid, found.operation, found.subresource, found.namespace, found.name) == (
        "u-1",
        "UPDATE",
        "scale",
        "web",
        "api",
    )
    assert found.kind == GroupVersionKind("apps", "v1", "Deployment")
    assert found.resource == GroupVersionResource("apps", "v1", "deployments")
    assert found.user == UserInfo("alice", "7", ("a",), {"k": ("v",)})
    assert (found.object, found.old_object, found.dry_run) == ({"a": 1}, {"a": 0}, True)


@pytest.mark.parametrize(
    ("change", "attribute", "value"),
    [
        ({"dryRun": None}, "dry_run", False),
        ({"dryRun": False}, "dry_run", False),
        ({"object": None}, "object", {}),
        ({"oldObject": None}, "old_object", {}),
        ({"name": None}, "request_name", ""),
        ({"namespace": None}, "namespace", ""),
        ({"subResource": None}, "subresource", ""),
        ({"userInfo": None}, "user", UserInfo()),
        ({"userInfo": {"username": "a"}}, "user", UserInfo("a")),
        ({"kind": {"kind": "Pod"}}, "kind", GroupVersionKind("", "", "Pod")),
    ],
)
def test_what_may_be_absent(change: dict, attribute: str, value: Any) -> None:
    """The API server leaves out what is empty."""
    assert getattr(decode_review(body(**change)), attribute) == value


def test_null_is_absent() -> None:
    """``object: null`` on DELETE, ``dryRun: null`` from an old server."""
    text = body(object=None, dryRun=None)[:-2] + b',"object":null,"dryRun":null}}'
    found = decode_review(text)
    assert (found.object, found.dry_run) == ({}, False)


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"", "not an AdmissionReview"),
        (b"{", "not an AdmissionReview"),
        (b"\xff\xfe", "not an AdmissionReview"),
        (b'"' + SECRET.encode() + b'"', "not an AdmissionReview"),
        (b"[" * 100_000, "not an AdmissionReview"),
        (b'{"a":' * 100_000, "not an AdmissionReview"),
        (b"[]", "not an AdmissionReview"),
        (b"{}", "expected kind AdmissionReview of admission.k8s.io/v1"),
        (json.dumps({**REVIEW, "apiVersion": "admission.k8s.io/v1beta1"}).encode(), "expected kind AdmissionReview"),
        (json.dumps({**REVIEW, "kind": SECRET}).encode(), "expected kind AdmissionReview"),
        (json.dumps({**REVIEW, "request": None}).encode(), "has no request"),
        (json.dumps({**REVIEW, "request": SECRET}).encode(), "not an AdmissionReview"),
        (body(uid=""), "uid is missing"),
        (body(uid=None), "not an AdmissionReview"),
        (body(uid=7), "not an AdmissionReview"),
        (body(operation=SECRET), "request.operation is none of CREATE, UPDATE, DELETE, CONNECT"),
        (body(operation="update"), "request.operation is none of"),
        (body(operation=None), "not an AdmissionReview"),
        (body(kind=None), "not an AdmissionReview"),
        (body(kind=SECRET), "not an AdmissionReview"),
        (body(resource=None), "not an AdmissionReview"),
        (body(object=SECRET), "request.object is not a JSON object"),
        (body(object=[SECRET]), "request.object is not a JSON object"),
        (body(oldObject=7), "request.oldObject is not a JSON object"),
        (body(userInfo={"username": [SECRET]}), "not an AdmissionReview"),
        (body(userInfo={"groups": {SECRET: 1}}), "not an AdmissionReview"),
        (body(userInfo={"extra": {SECRET: 1}}), "not an AdmissionReview"),
    ],
)
def test_malformed_reviews(sent: bytes, says: str) -> None:
    """Each is told apart from a denial, says what is wrong, and quotes nothing of what was sent."""
    with pytest.raises(MalformedRequestError, match=says) as raised:
        decode_review(sent)
    assert SECRET not in str(raised.value)
    assert len(str(raised.value)) < 300


@given(st.binary(max_size=200))
def test_no_body_fails_otherwise(sent: bytes) -> None:
    """Whatever bytes come, they are refused as malformed."""
    with pytest.raises(MalformedRequestError):
        decode_review(sent)


def test_a_deep_object_is_malformed_only_when_it_is_looked_at() -> None:
    """Objects are decoded at first use; one that is nested too deeply is no object to judge."""
    deep = body()[:-2] + b',"object":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}}"
    try:
        found = decode_review(deep)
    except MalformedRequestError:
        return
    with pytest.raises(MalformedRequestError, match=r"request\.object is not a readable JSON object"):
        _ = found.object


# Out


def test_an_allowed_request() -> None:
    """No status, no warnings; the decision and the rules' digest go into the API server's audit log."""
    assert answer(Judged("drift", "not managed")) == {
        "uid": "u-1",
        "allowed": True,
        "auditAnnotations": {"decision": "allow", "rules": "sha256:1", "reasons": "drift: not managed"},
    }


def test_a_denied_request() -> None:
    """403 with the message; the findings by id and rule."""
    response = answer(Judged("drift", "x", (finding(), finding(Action.AUDIT))))
    assert response["allowed"] is False
    assert response["status"] == {"code": 403, "reason": "Forbidden", "message": "no"}
    assert response["auditAnnotations"]["findings"] == "f-1:drift/x:deny,f-1:drift/x:audit"


def test_an_undecided_request() -> None:
    """503, which nobody takes for a denial; which guard it was is in the annotations."""
    response = answer(Indeterminate("drift", "why", OnError.DENY))
    assert response["allowed"] is False
    assert (response["status"]["code"], response["status"]["reason"]) == (503, "ServiceUnavailable")
    assert response["auditAnnotations"]["indeterminate"] == "drift"
    assert response["auditAnnotations"]["decision"] == "undecided"


def test_warnings() -> None:
    """Warned findings, those that are accepted, and guards that are set to warn; audits and denials are none."""
    response = answer(
        Judged(
            "drift",
            "x",
            (finding(Action.WARN, "one"), finding(Action.DENY, "two", exception="g"), finding(Action.AUDIT, "no")),
        ),
        Indeterminate("policy", "late", OnError.WARN),
        Indeterminate("other", "no", OnError.ALLOW),
    )
    assert response["warnings"] == ["one", "two (accepted by g)", "govgate could not decide (policy): late"]
    assert response["allowed"] is True


def test_warnings_are_bounded() -> None:
    """They travel in headers: few, short, printable, one line each."""
    many = tuple(finding(Action.WARN, f"{i}\n\x1b\u202e" + "x" * 1_000) for i in range(20))
    warnings = answer(Judged("drift", "x", many))["warnings"]
    assert len(warnings) == MAX_WARNINGS
    assert all(len(text) <= MAX_WARNING_CHARS and text.isprintable() for text in warnings)
    assert warnings[0].startswith("0 ??")
    assert warnings[-1] == "and 13 more findings: see the audit log"
    exactly = answer(Judged("drift", "x", many[:MAX_WARNINGS]))["warnings"]
    assert exactly[-1].startswith("7 ??")
