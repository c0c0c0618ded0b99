"""One write is one use, however often the API server asks about it. Pure.

It asks once for each webhook, each time with another uid, and again when it tries a write anew that somebody else's
got in the way of. Two requests are one write's if

- they were asked about the same object at the same version: of all such writes at most one can succeed, whatever is
  in them (a deletion: of the same object at all, a creation: under the uid that the API server has made up for it);
- or the same fields go from the same values to the same values again, within seconds. Values that may not be shown have
  no digest, and are never the same.

Sources: ``k8s.io/apiserver/pkg/admission/plugin/webhook/request/admissionreview.go`` (a uid a call),
``pkg/endpoints/handlers/patch.go`` (trying again), ``pkg/registry/generic/registry/store.go``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from gateway.core.subject import Json, Subject
from webhooks.breakglass.grant import Use

RETRY = timedelta(seconds=30)
"""How long after a use the same change is taken for another try: as long as one more webhook may take to answer."""


def origin_of(subject: Subject) -> str:
    """What of all requests that state the same at most one changes; empty if that is not known."""
    if subject.operation == "CREATE":
        # What is created of a subresource (an Eviction, a token) is not stored, and has the uid that was sent.
        return "" if subject.subresource else _metadata(subject.object, "uid")
    uid = _metadata(subject.old_object, "uid")
    if subject.operation == "DELETE" or not uid:
        return uid
    version = _metadata(subject.old_object, "resourceVersion")
    return f"{uid}/{version}" if version else ""


def known(uses: Sequence[Use], use: Use) -> int | None:
    """Which of the uses is this one, asked about before."""
    return next((index for index, one in reversed(list(enumerate(uses))) if _same(one, use)), None)


def joined(before: Use, use: Use) -> Use:
    """The use as it is kept, with what another guard refused of the same write."""
    return msgspec.structs.replace(before, fields=tuple(dict.fromkeys((*before.fields, *use.fields))))


def _same(before: Use, use: Use) -> bool:
    if (before.user, before.operation, before.object) != (use.user, use.operation, use.object):
        return False
    if before.origin and before.origin == use.origin:
        return True
    seen = {one for one in before.fields if one.before and one.after}
    return abs(use.time - before.time) <= RETRY and bool(use.fields) and set(use.fields) <= seen


def _metadata(obj: Json, name: str) -> str:
    metadata = obj.get("metadata")
    value = metadata.get(name) if isinstance(metadata, dict) else None
    return value if isinstance(value, str) else ""
