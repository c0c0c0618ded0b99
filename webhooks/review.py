"""AdmissionReview v1 in, AdmissionReview v1 out: the wire format and nothing else.

Source: ``k8s.io/api/admission/v1``. Unknown fields are ignored, as the API's own rules ask.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.errors import MalformedRequestError
from gateway.core.finding import Action
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from gateway.core.verdict import Decision, Verdict

API_VERSION = "admission.k8s.io/v1"
MAX_WARNING_CHARS = 256
MAX_WARNINGS = 8

_OPERATIONS = frozenset(("CREATE", "UPDATE", "DELETE", "CONNECT"))
_EMPTY = frozenset((b"", b"null"))


class _Request(msgspec.Struct, rename="camel"):
    uid: str
    operation: str
    kind: GroupVersionKind
    resource: GroupVersionResource
    user_info: UserInfo = UserInfo()
    sub_resource: str = ""
    namespace: str = ""
    name: str = ""
    dry_run: bool | None = False
    object: msgspec.Raw = msgspec.Raw()
    old_object: msgspec.Raw = msgspec.Raw()


class _Review(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    request: _Request | None = None


_decode = msgspec.json.Decoder(_Review).decode
_encode = msgspec.json.encode


def decode_review(body: bytes | bytearray) -> Subject:
    """The request in ``body``, the JSON bytes of an AdmissionReview.

    Raises:
        MalformedRequestError: not JSON, another kind or version, no uid, an unknown operation, or an object that
            is not a JSON object. The text says which, and never quotes the body.
    """
    try:
        review = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequestError(f"not an AdmissionReview: {_safe(error)}") from None
    if review.api_version != API_VERSION or review.kind != "AdmissionReview":
        raise MalformedRequestError(f"expected kind AdmissionReview of {API_VERSION}")
    request = review.request
    if request is None:
        raise MalformedRequestError("the AdmissionReview has no request")
    if not request.uid:
        raise MalformedRequestError("request.uid is missing")
    if request.operation not in _OPERATIONS:
        raise MalformedRequestError("request.operation is none of CREATE, UPDATE, DELETE, CONNECT")
    return Subject(
        uid=request.uid,
        operation=request.operation,
        kind=request.kind,
        resource=request.resource,
        subresource=request.sub_resource,
        namespace=request.namespace,
        name=request.name,
        user=request.user_info,
        dry_run=bool(request.dry_run),
        raw_object=_object_bytes(request.object, "object"),
        raw_old_object=_object_bytes(request.old_object, "oldObject"),
        raw_review=bytes(body),
    )


def encode_response(uid: str, verdict: Verdict, *, rules: str, message: str) -> bytes:
    """The AdmissionReview that answers ``uid``.

    A denial is 403 Forbidden; what could not be decided, and is set to refuse, is 503 ServiceUnavailable: the
    client's and the API server's logs tell the two apart. ``message`` is for the person who asked, empty if allowed.
    """
    response: dict[str, Any] = {"uid": uid, "allowed": verdict.allowed}
    if verdict.decision is Decision.DENY:
        response["status"] = {"code": 403, "reason": "Forbidden", "message": message}
    elif verdict.decision is Decision.UNDECIDED:
        response["status"] = {"code": 503, "reason": "ServiceUnavailable", "message": message}
    warnings = _warnings(verdict)
    if warnings:
        response["warnings"] = warnings
    response["auditAnnotations"] = _annotations(verdict, rules)
    return _encode({"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response})


def _warnings(verdict: Verdict) -> list[str]:
    texts = [f.message for f in verdict.findings if f.action is Action.WARN and f.exception is None]
    texts += [
        f"{f.message} (accepted by {f.exception})"
        for f in verdict.findings
        if f.exception is not None and f.action is not Action.AUDIT
    ]
    texts += [
        f"govgate could not decide ({i.guard}): {i.reason}" for i in verdict.indeterminate if i.on_error == "warn"
    ]
    if len(texts) > MAX_WARNINGS:
        texts[MAX_WARNINGS - 1 :] = [f"and {len(texts) - MAX_WARNINGS + 1} more findings: see the audit log"]
    return [_one_line(text) for text in texts]


def _annotations(verdict: Verdict, rules: str) -> dict[str, str]:
    """Written into the API server's own audit log, so that the two logs can be joined."""
    reasons = _one_line("; ".join(verdict.reasons))
    annotations = {"decision": verdict.decision.value, "rules": rules, "reasons": reasons}
    if verdict.findings:
        annotations["findings"] = ",".join(
            f"{f.id}:{f.rule}:{f.action}" + (":excepted" if f.exception else "") for f in verdict.findings
        )
    if verdict.indeterminate:
        annotations["indeterminate"] = ",".join(i.guard for i in verdict.indeterminate)
    return annotations


def _one_line(text: str) -> str:
    """A warning travels in an HTTP header: printable, one line, short."""
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else "?" for c in line)
    return line if len(line) <= MAX_WARNING_CHARS else line[: MAX_WARNING_CHARS - 1] + "…"


def _object_bytes(raw: msgspec.Raw, name: str) -> bytes:
    data = bytes(raw)
    if data in _EMPTY:
        return b""
    if data[:1] != b"{":
        raise MalformedRequestError(f"request.{name} is not a JSON object")
    return data


def _safe(error: Exception) -> str:
    """The decoder's message without anything of the body: it quotes field names and types only."""
    return str(error)[:200] if isinstance(error, msgspec.DecodeError) else type(error).__name__
