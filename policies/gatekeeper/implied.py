"""Gatekeeper's expansion of a request: what its object implies is judged as a request of its own."""

from __future__ import annotations

import msgspec

from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from policies.gatekeeper.expansion import Expansions, Generated, gvk_of
from policies.gatekeeper.review import of_object
from policies.gatekeeper.rules import ACTIONS
from policies.implied import Implied
from policies.rule import Asked


def unfold(expansions: Expansions, asked: Asked) -> list[Implied]:
    """The objects that the request's object implies, each as Gatekeeper's webhook judges it.

    Raises:
        ExpansionError: a template applies, and its source is not in the object.
        MalformedRequestError: the object is not readable.
    """
    subject = asked.subject
    kind = subject.kind
    if not expansions.concerns((kind.group, kind.version, kind.kind)):
        return []
    document = dict(subject.object or subject.old_object)
    if not document:
        return []
    document |= {"apiVersion": kind.api_version, "kind": kind.kind}
    metadata = dict(document.get("metadata") or {})
    if subject.object_namespace:
        metadata["namespace"] = subject.object_namespace
    document["metadata"] = metadata
    return [_implied(one, asked) for one in expansions.expand(document, asked.namespace)]


def _implied(generated: Generated, asked: Asked) -> Implied:
    document, operation = generated.document, asked.subject.operation
    group, version, kind = gvk_of(document)
    raw = msgspec.json.encode(document)
    request = of_object(document, namespace=asked.namespace, source="Generated", operation=operation).request
    subject = Subject(
        uid="",
        operation=operation,
        kind=GroupVersionKind(group, version, kind),
        resource=GroupVersionResource(),
        user=UserInfo(),
        namespace=document["metadata"].get("namespace", ""),
        name=document["metadata"]["name"],
        raw_object=b"" if operation == "DELETE" else raw,
        raw_old_object=raw if operation == "DELETE" else b"",
        raw_request=msgspec.json.encode(request),
    )
    action = ACTIONS.get(generated.action)
    return Implied(Asked(subject, asked.namespace, asked.known, "Generated"), generated.template, action)
