"""What is judged: one change to one object, as an AdmissionRequest (admission.k8s.io/v1) states it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec

from gateway.core.errors import MalformedRequestError

Json = dict[str, Any]
"""A decoded JSON object. Numbers are int or float as written; keys keep their order."""

_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


class _Review(msgspec.Struct):
    request: msgspec.Raw


_decode_review = msgspec.json.Decoder(_Review).decode


def _decode(raw: bytes, name: str) -> Json:
    try:
        return _decode_object(raw) if raw else {}
    except (msgspec.DecodeError, RecursionError):
        raise MalformedRequestError(f"request.{name} is not a readable JSON object") from None


class UserInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who asks: ``authentication.k8s.io/v1`` UserInfo. The only proof of identity an admission request has."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = {}


class GroupVersionKind(msgspec.Struct, frozen=True):
    """``group`` is empty for the core group."""

    group: str = ""
    version: str = ""
    kind: str = ""

    @property
    def api_version(self) -> str:
        """``group/version``, or ``version`` alone in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version


class GroupVersionResource(msgspec.Struct, frozen=True):
    """The resource as the URL names it: plural, lower case."""

    group: str = ""
    version: str = ""
    resource: str = ""


class Subject:
    """One request to be judged.

    ``raw_object`` and ``raw_old_object`` are the JSON bytes exactly as sent, empty where there is none;
    ``object`` and ``old_object`` are the same decoded, at first use and once. ``raw_review`` is the whole review they
    came in; ``raw_request`` stands for the request in it where there is no review. ``operation`` is one of CREATE, UPDATE, DELETE, CONNECT. Names come from the object where the request has none (a
    deletecollection and a ``generateName`` leave ``request.name`` empty).

    Treat a subject as immutable: guards run concurrently over it.
    """

    def __init__(
        self,
        *,
        uid: str,
        operation: str,
        kind: GroupVersionKind,
        resource: GroupVersionResource,
        user: UserInfo,
        subresource: str = "",
        namespace: str = "",
        name: str = "",
        dry_run: bool = False,
        raw_object: bytes = b"",
        raw_old_object: bytes = b"",
        raw_review: bytes = b"",
        raw_request: bytes = b"{}",
    ) -> None:
        self.uid = uid
        self.operation = operation
        self.kind = kind
        self.resource = resource
        self.subresource = subresource
        self.namespace = namespace
        self.request_name = name
        self.user = user
        self.dry_run = dry_run
        self.raw_object = raw_object
        self.raw_old_object = raw_old_object
        self.raw_review = raw_review
        self._raw_request = raw_request

    @cached_property
    def object(self) -> Json:
        """The object as it would become; empty on DELETE.

        Raises:
            MalformedRequestError: it is not a JSON object.
        """
        return _decode(self.raw_object, "object")

    @cached_property
    def old_object(self) -> Json:
        """The object as it is; empty on CREATE.

        Raises:
            MalformedRequestError: it is not a JSON object.
        """
        return _decode(self.raw_old_object, "oldObject")

    @cached_property
    def raw_request(self) -> bytes:
        """The AdmissionRequest as sent, for rules that read all of it.

        Raises:
            MalformedRequestError: the review has none.
        """
        if not self.raw_review:
            return self._raw_request
        try:
            return bytes(_decode_review(self.raw_review).request)
        except (msgspec.DecodeError, RecursionError):
            raise MalformedRequestError("the review has no readable request") from None

    def about_kind(self, kind: GroupVersionKind) -> Subject:
        """The same request, stated about an object of another kind (what a Scale scales)."""
        if kind == self.kind:
            return self
        return Subject(
            uid=self.uid,
            operation=self.operation,
            kind=kind,
            resource=self.resource,
            user=self.user,
            subresource=self.subresource,
            namespace=self.namespace,
            name=self.name,
            dry_run=self.dry_run,
            raw_object=self.raw_object,
            raw_old_object=self.raw_old_object,
            raw_review=self.raw_review,
            raw_request=self._raw_request,
        )

    @property
    def object_namespace(self) -> str:
        """The namespace that the object is in: empty for a Namespace, whose own requests name itself there."""
        return "" if self.kind.kind == "Namespace" and not self.kind.group else self.namespace

    @property
    def governing_namespace(self) -> str:
        """The namespace whose settings hold for the object: a Namespace's own, even while it is created."""
        is_namespace = self.kind.kind == "Namespace" and not self.kind.group
        return self.name if is_namespace else self.namespace

    @cached_property
    def name(self) -> str:
        """The object's name: of the request, else of the object it is about."""
        if self.request_name:
            return self.request_name
        about = self.old_object if self.operation == "DELETE" else self.object
        metadata = about.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        return name if isinstance(name, str) else ""


def created(
    raw: bytes, kind: GroupVersionKind, *, namespace: str, name: str, user: UserInfo | None = None, resource: str = ""
) -> Subject:
    """An object that no request brings, as the request that would create it. ``resource``: its plural, if it is known."""
    request: Json = {
        "operation": "CREATE",
        "kind": kind,
        "name": name,
        "namespace": namespace,
        "object": msgspec.Raw(raw),
    }
    if user is not None and user != UserInfo():
        request["userInfo"] = user
    return Subject(
        uid="",
        operation="CREATE",
        kind=kind,
        resource=GroupVersionResource(kind.group, kind.version, resource) if resource else GroupVersionResource(),
        user=user or UserInfo(),
        namespace=namespace,
        name=name,
        raw_object=raw,
        raw_request=msgspec.json.encode(request),
    )
