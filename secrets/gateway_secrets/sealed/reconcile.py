"""What is to be done about one SealedSecret: the decision of the controller. Pure: no clock, no network.

It decides as Bitnami's controller does (v0.40.0, ``pkg/controller/controller.go``): whose Secret may be written, what
``managed`` and ``patch`` mean, what the status says. What it adds is a mark on the Secret, by which one that is in sync is
recognised without opening anything: after a restart thousands are.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from gateway_secrets.sealed.errors import NotNowError, SealError
from gateway_secrets.sealed.hybrid import encode
from gateway_secrets.sealed.keyring import KeyRing
from gateway_secrets.sealed.objects import API_VERSION, KIND, Sealed, sealed_of
from gateway_secrets.sealed.scope import MANAGED, PATCH, SKIP_OWNER
from gateway_secrets.sealed.sealing import recovered, unseal_values

MARK = "seal.govgate.dev/in-sync"
_PURPOSE = "govgate sealed secret in sync 1"
_ID_CHARACTERS = 16

Json = dict[str, Any]
Templates = Callable[[Mapping[str, str], Mapping[str, bytes]], Mapping[str, bytes]]
"""Fills in texts of ``spec.template.data``, by key, with values; gives those of the same keys, or raises SealError."""


class Action(StrEnum):
    """What to do with the Secret. ``refuse``: nothing, and the status says why."""

    NONE = "none"
    CREATE = "create"
    UPDATE = "update"
    REFUSE = "refuse"


class Decision(msgspec.Struct, frozen=True):
    """``secret``: as it shall be, for create and update. ``problem``: why it is refused; holds no value. ``again``: the
    reason may pass without anything being changed.
    """

    action: Action
    secret: Json | None = None
    problem: str = ""
    again: bool = False

    def __repr__(self) -> str:
        return f"Decision({self.action}, {self.problem!r})"


def decide(document: Json, ring: KeyRing, existing: Json | None, templates: Templates | None = None) -> Decision:
    """What to do about a SealedSecret, given the Secret of its name, if there is one."""
    try:
        sealed = sealed_of(document, where="the object")
        if existing is not None and not _may_write(sealed, existing):
            return _refused("a Secret of this name exists, and is not managed by this SealedSecret")
        if existing is not None and _in_sync(sealed, ring, existing):
            return Decision(Action.NONE)
        wanted = _wanted(sealed, ring, templates)
    except SealError as error:
        return Decision(Action.REFUSE, problem=str(error), again=isinstance(error, NotNowError))
    if existing is None:
        return Decision(Action.CREATE, _marked(sealed, ring, wanted))
    merged = _onto(existing, wanted)
    problem = _obstacle(existing, merged)
    if problem:
        return _refused(problem)
    made = _marked(sealed, ring, merged)
    return Decision(Action.UPDATE, made) if made != existing else Decision(Action.NONE)


def status_of(document: Json, decision: Decision, now: datetime) -> Json | None:
    """The status that the SealedSecret shall have; None if it has it already.

    Written once per change: not each time somebody looks.
    """
    status = document.get("status") or {}
    conditions = [one for one in status.get("conditions") or [] if one.get("type") != "Synced"]
    former: Json = next((one for one in status.get("conditions") or [] if one.get("type") == "Synced"), {})
    refused = decision.action is Action.REFUSE
    wanted = {"type": "Synced", "status": "False" if refused else "True"}
    if decision.problem:
        wanted["message"] = decision.problem
    generation = (document.get("metadata") or {}).get("generation", 0)
    same = {key: former.get(key) for key in ("type", "status", "message") if former.get(key)} == wanted
    if same and status.get("observedGeneration", 0) == generation:
        return None
    stamp = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    turned = former.get("status") != wanted["status"]
    wanted |= {
        "lastUpdateTime": stamp,
        "lastTransitionTime": stamp if turned else former.get("lastTransitionTime") or stamp,
    }
    return {**status, "observedGeneration": generation, "conditions": [*conditions, wanted]}


def _refused(problem: str) -> Decision:
    return Decision(Action.REFUSE, problem=problem)


def _obstacle(existing: Json, merged: Json) -> str:
    """Why the API server would not take the Secret, if it would not."""
    if merged["type"] != existing.get("type", "Opaque"):
        return "the Secret has another type, which cannot be changed: delete it, and it is made anew"
    frozen = existing.get("immutable") is True
    same = (merged.get("data") or {}) == (existing.get("data") or {}) and merged.get("immutable") is True
    return "the Secret is immutable: delete it, and it is made anew" if frozen and not same else ""


def _may_write(sealed: Sealed, existing: Json) -> bool:
    """Whether the Secret is this SealedSecret's, or says that it may be written."""
    metadata = existing.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    if annotations.get(MANAGED) == "true" or annotations.get(PATCH) == "true":
        return True
    uid = (sealed.document.get("metadata") or {}).get("uid")
    owners = metadata.get("ownerReferences") or []
    return any(owner.get("controller") is True and uid and owner.get("uid") == uid for owner in owners)


def _wanted(sealed: Sealed, ring: KeyRing, templates: Templates | None) -> Json:
    """The Secret that the SealedSecret describes."""
    values = unseal_values(sealed, ring.keys)
    secret, unrendered = recovered(sealed, values)
    stated = {key: text for key, text in (sealed.template.get("data") or {}).items() if text is not None}
    texts = {key: text for key, text in stated.items() if "{{" in text}
    if texts:
        if templates is None:
            raise SealError(f"spec.template.data: {', '.join(texts)}: templates are not filled in here")
        # Templates see each other's texts, as they stand there; what is sealed wins. One whose key is sealed is filled in,
        # and must be right, but is not used.
        made = templates(texts, {key: text.encode() for key, text in stated.items()} | values)
        secret["data"] |= {key: encode(made[key]) for key in unrendered}
    secret.setdefault("type", "Opaque")
    metadata, own = secret["metadata"], sealed.document.get("metadata") or {}
    if (metadata.get("annotations") or {}).get(SKIP_OWNER) != "true":
        owner = {"apiVersion": API_VERSION, "kind": KIND, "name": sealed.name, "uid": own.get("uid", "")}
        metadata["ownerReferences"] = [owner | {"controller": True}]
    return secret


def _onto(existing: Json, wanted: Json) -> Json:
    """The existing Secret with what is wanted: all of it, or with ``patch`` only what is stated."""
    merged: Json = msgspec.json.decode(msgspec.json.encode(existing))
    metadata, new = merged.setdefault("metadata", {}), wanted["metadata"]
    annotations = metadata.get("annotations") or {}
    merged["type"] = wanted["type"]
    if annotations.get(PATCH) != "true":
        merged["data"] = wanted["data"]
        for field in ("annotations", "labels", "ownerReferences"):
            _put(metadata, field, new.get(field))
        if "immutable" in wanted:
            merged["immutable"] = wanted["immutable"]
        return merged
    merged["data"] = (merged.get("data") or {}) | wanted["data"]
    for field in ("annotations", "labels"):
        _put(metadata, field, (metadata.get(field) or {}) | (new.get(field) or {}))
    if annotations.get(MANAGED) == "true":
        _put(metadata, "ownerReferences", new.get("ownerReferences"))
    return merged


def _put(metadata: Json, field: str, value: Any) -> None:
    if value:
        metadata[field] = value
    else:
        metadata.pop(field, None)


def _marked(sealed: Sealed, ring: KeyRing, secret: Json) -> Json:
    """The Secret with the mark that says of which SealedSecret it is the outcome."""
    pair = ring.newest
    annotations = (secret["metadata"].get("annotations") or {}) | {MARK: ""}
    marked: Json = {**secret, "metadata": {**secret["metadata"], "annotations": annotations}}
    key = pair.secret_for(_PURPOSE)
    annotations[MARK] = f"{pair.certificate.fingerprint[:_ID_CHARACTERS]}.{_digest(key, sealed, marked)}"
    return marked


def _in_sync(sealed: Sealed, ring: KeyRing, existing: Json) -> bool:
    """Whether neither changed since the Secret was written: nothing needs to be opened."""
    stated = ((existing.get("metadata") or {}).get("annotations") or {}).get(MARK, "")
    name, _, digest = stated.partition(".")
    for pair in ring.pairs if digest else ():
        if pair.certificate.fingerprint[:_ID_CHARACTERS] == name:
            return hmac.compare_digest(_digest(pair.secret_for(_PURPOSE), sealed, existing).encode(), digest.encode())
    return False


def _digest(key: bytes, sealed: Sealed, secret: Json) -> str:
    """Of all that decides and all that is decided; keyed, since the values in it could be tried out otherwise."""
    uid = (sealed.document.get("metadata") or {}).get("uid", "")
    source = [sealed.name, sealed.namespace, sealed.scope, uid, sealed.values, sealed.template]
    message = msgspec.json.encode([source, _content(secret)], order="sorted")
    return hmac.digest(key, message, "sha256").hex()


def _content(secret: Json) -> Json:
    """What of a Secret is ours to decide, but for the mark."""
    metadata = secret.get("metadata") or {}
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != MARK}
    return {
        "data": secret.get("data") or {},
        "type": secret.get("type", "Opaque"),
        "immutable": secret.get("immutable") is True,
        "annotations": annotations,
        "labels": metadata.get("labels") or {},
        "owners": metadata.get("ownerReferences") or [],
    }
