"""What is done with the Secret: whose it may be, what it keeps of others, and when it is left alone. Pure.

Decides as ESO's controller does (``externalsecret_controller.go``): creation and deletion policies, who may own it,
immutable ones. It adds that a Secret which is as it shall be is not written, that one ExternalSecret does not take a
Secret which another one fills, and that tokens of the cluster are no targets.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Container, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from gateway_secrets.external.collect import Source
from gateway_secrets.external.content import Content
from gateway_secrets.external.record import (
    GENERATED,
    MERGING,
    PREFIX,
    Record,
    annotations_of,
    marked,
    notes,
    prefix_of,
    record_in,
    refreshed,
)
from gateway_secrets.external.spec import API_VERSION, GROUP, KIND, ExternalSecret, Json
from gateway_secrets.external.validate import ACCOUNT_TOKEN, BOOTSTRAP_TOKEN

MANAGED_LABEL = "reconcile.external-secrets.io/managed"
OWNER_LABEL = "reconcile.external-secrets.io/created-by"
_TOKENS = frozenset((ACCOUNT_TOKEN, BOOTSTRAP_TOKEN))


IN_SYNC = "the Secret is in sync"
IMMUTABLE = "the Secret is immutable: delete it, and it is made anew"
FROZEN = (
    "the Secret is immutable, as spec.target.immutable has it, and stays as it is; what is read now differs from what it holds:"
    " delete the Secret, and it is made anew"
)


class Intent(msgspec.Struct, frozen=True):
    """What the Secret shall be: ``content``, read from ``sources``. ``key``: of marks. ``made``: the note of what generators made."""

    external: ExternalSecret
    content: Content
    sources: Sequence[Source]
    key: bytes
    made: str = ""

    def __repr__(self) -> str:
        return f"Intent({self.external.namespace}/{self.external.name})"


class Action(StrEnum):
    """What to do with the Secret. ``refuse``: nothing, and the status says why."""

    NONE = "none"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REFUSE = "refuse"


class Reason(StrEnum):
    """Of the condition Ready."""

    SYNCED = "SecretSynced"
    ERROR = "SecretSyncedError"
    DELETED = "SecretDeleted"
    MISSING = "SecretMissing"


class Decision(msgspec.Struct, frozen=True):
    """``secret``: as it shall be; for none and delete, as it is. ``message`` is for people, and holds no value."""

    action: Action
    reason: Reason
    message: str
    secret: Json | None = None

    def and_said(self, remark: str) -> Decision:
        """The same, with something more in the message."""
        return msgspec.structs.replace(self, message=f"{self.message}; {remark}") if remark else self

    @property
    def held(self) -> Json | None:
        """The Secret that there is once this is done; None if there is none."""
        return self.secret if self.action is not Action.DELETE else None

    def __repr__(self) -> str:
        return f"Decision({self.action}, {self.reason}, {self.message!r})"


NOT_THERE = Decision(
    Action.NONE, Reason.MISSING, "there is no Secret to merge into, and creationPolicy Merge makes none"
)
"""Whatever is read."""


def refused(problem: str) -> Decision:
    """Nothing is done."""
    return Decision(Action.REFUSE, Reason.ERROR, problem)


def plan_empty(external: ExternalSecret, present: Json | None) -> Decision | None:
    """What to do where nothing is there to be put into the Secret; None: as with values, of which there are none."""
    target = external.spec.target
    if target.deletion_policy == "Delete":
        if target.creation_policy not in ("Owner", "Orphan"):
            return refused("deletionPolicy Delete, and the Secret is not this ExternalSecret's to delete")
        if present is None or not is_owner(external, present):
            return Decision(Action.NONE, Reason.DELETED, "the store has nothing of it, and there is no Secret", present)
        message = "the store has nothing of it any more, and deletionPolicy is Delete"
        return Decision(Action.DELETE, Reason.DELETED, message, present)
    if target.deletion_policy == "Retain":
        return Decision(
            Action.NONE, Reason.SYNCED, "the store has nothing of it, and deletionPolicy is Retain", present
        )
    return None


def plan(intent: Intent, present: Json | None, *, now: datetime, alive: Container[str]) -> Decision:
    """What to do about the Secret, given the one of its name, if there is one.

    ``alive``: the uids of ExternalSecrets of the namespace; who is not among them fills nothing any more.
    """
    external = intent.external
    policy = external.spec.target.creation_policy
    if policy == "None":
        return Decision(Action.NONE, Reason.SYNCED, "read; creationPolicy None makes no Secret", present)
    if present is None:
        if policy == "Merge":
            return NOT_THERE
        return Decision(Action.CREATE, Reason.SYNCED, IN_SYNC, _noted(intent, _wanted(intent, None), now))
    wanted = _wanted(intent, present)
    frozen = present.get("immutable") is True and _frozen(wanted) != _frozen(present)
    problem = _stranger(external, present, alive) or _obstacle(intent.content, present)
    if problem or (frozen and not external.spec.target.immutable):
        return refused(problem or IMMUTABLE)
    if frozen:
        return Decision(Action.NONE, Reason.SYNCED, FROZEN, present)
    return _updated(intent, present, wanted, now)


def _updated(intent: Intent, present: Json, wanted: Json, now: datetime) -> Decision:
    external = intent.external
    before = annotations_of(present).get(f"{prefix_of(external)}/refreshed", "")
    if _noted(intent, wanted, before) == present:
        return Decision(Action.NONE, Reason.SYNCED, IN_SYNC, present)
    return Decision(Action.UPDATE, Reason.SYNCED, IN_SYNC, _noted(intent, wanted, now))


def is_owner(external: ExternalSecret, secret: Json) -> bool:
    """Whether a Secret is an ExternalSecret's alone: by its owner, or as one that was made without."""
    controller = _controller(secret)
    if controller is not None:
        return bool(external.uid) and controller.get("uid") == external.uid
    record = record_in(secret, PREFIX)
    return record is not None and bool(external.uid) and record.uid == external.uid


def _stranger(external: ExternalSecret, present: Json, alive: Container[str]) -> str:
    """Whose the Secret is, if it is another's; empty if it may be this ExternalSecret's."""
    controller = _controller(present)
    if controller is not None and controller.get("uid") != external.uid:
        kind, name = controller.get("kind"), controller.get("name")
        of_this_kind = kind == KIND and str(controller.get("apiVersion")).startswith(f"{GROUP}/")
        if of_this_kind and name != external.name:
            return f"the Secret is owned by another ExternalSecret: {name}"
        if not of_this_kind and external.spec.target.creation_policy == "Owner":
            return f"the Secret is owned by {kind} {name}: choose another name, or creationPolicy Merge"
    record = record_in(present, PREFIX)
    if record is not None and record.uid != external.uid and record.uid in alive:
        return f"the Secret is filled by another ExternalSecret: {record.name}"
    return ""


def _obstacle(content: Content, present: Json) -> str:
    """Why the Secret that is there cannot become what is wanted; empty if it can."""
    if (present.get("metadata") or {}).get("deletionTimestamp"):
        return "the Secret is being deleted"
    if present.get("type") in _TOKENS:
        return f"the Secret is a {present['type']}, which the cluster itself fills: choose another name"
    if content.type and content.type != (present.get("type") or "Opaque"):
        return "the Secret has another type, which cannot be changed: delete it, and it is made anew"
    return ""


def _wanted(intent: Intent, present: Json | None) -> Json:
    """The Secret with what is wanted, and what is kept of others; not yet with govgate's notes."""
    external, content = intent.external, intent.content
    target = external.spec.target
    secret: Json = msgspec.json.decode(msgspec.json.encode(present)) if present is not None else _new(external)
    metadata = secret.setdefault("metadata", {})
    record = record_in(present, prefix_of(external)) or Record("", "", "")
    data = {name: base64.b64encode(value).decode() for name, value in content.data.items()}
    if target.creation_policy in MERGING:
        data = _without(secret.get("data"), record.keys) | data
    secret["data"] = data
    secret["type"] = content.type or secret.get("type") or "Opaque"
    if target.immutable:
        secret["immutable"] = True
    labels = _without(metadata.get("labels"), (*record.labels, OWNER_LABEL)) | content.labels
    labels |= {MANAGED_LABEL: "true"} | _owner_label(external)
    metadata["labels"] = labels
    metadata["annotations"] = _without(metadata.get("annotations"), record.annotations) | content.annotations
    if content.finalizers:
        metadata["finalizers"] = list(dict.fromkeys((*(metadata.get("finalizers") or []), *content.finalizers)))
    owners = [one for one in metadata.get("ownerReferences") or [] if not _own(external, one)]
    if target.creation_policy == "Owner":
        owners.append({
            "apiVersion": API_VERSION, "kind": KIND, "name": external.name, "uid": external.uid,
            "controller": True, "blockOwnerDeletion": True,
        })  # fmt: skip
    metadata.pop("ownerReferences", None)
    if owners:
        metadata["ownerReferences"] = owners
    return secret


def _noted(intent: Intent, wanted: Json, when: datetime | str) -> Json:
    """The Secret with govgate's notes, and the mark of all that is this ExternalSecret's."""
    external, content = intent.external, intent.content
    prefix = prefix_of(external)
    dropped = [f"{prefix}/", f"{external.uid}.{PREFIX}/"]
    former = record_in(wanted, PREFIX)
    if former is not None and former.uid == external.uid:
        dropped.append(f"{PREFIX}/")
    kept = {name: text for name, text in annotations_of(wanted).items() if not name.startswith(tuple(dropped))}
    time = when if isinstance(when, str) else refreshed(when)
    own = notes(intent.sources, prefix) | ({f"{prefix}/refreshed": time} if time else {})
    own |= {f"{prefix}/{GENERATED}": intent.made} if intent.made else {}
    secret: Json = {**wanted, "metadata": {**wanted["metadata"], "annotations": kept | own}}
    merging = external.spec.target.creation_policy in MERGING
    record = Record(
        external.name,
        external.uid,
        "",
        tuple(sorted(content.data)) if merging else (),
        tuple(sorted({*content.labels, MANAGED_LABEL, *_owner_label(external)})),
        tuple(sorted(content.annotations)),
    )
    record = marked(secret, record, intent.key, prefix)
    secret["metadata"]["annotations"][f"{prefix}/record"] = msgspec.json.encode(record).decode()
    return secret


def _new(external: ExternalSecret) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": external.target_name, "namespace": external.namespace},
    }


def _own(external: ExternalSecret, owner: Json) -> bool:
    """Whether a reference is this ExternalSecret's, or one of the same name that was deleted."""
    group = str(owner.get("apiVersion")).partition("/")[0]
    return (group, owner.get("kind"), owner.get("name")) == (GROUP, KIND, external.name)


def _controller(secret: Json) -> Json | None:
    owners = (secret.get("metadata") or {}).get("ownerReferences") or []
    return next((one for one in owners if one.get("controller") is True), None)


def _owner_label(external: ExternalSecret) -> dict[str, str]:
    """ESO's label of the owner: the digest of its name."""
    if external.spec.target.creation_policy != "Owner":
        return {}
    return {OWNER_LABEL: hashlib.sha3_224(f"{external.namespace}/{external.name}".encode()).hexdigest()}


def _frozen(secret: Json) -> list[Any]:
    """What of an immutable Secret cannot be changed."""
    return [secret.get("data") or {}, secret.get("type") or "Opaque"]


def _without(pairs: dict[str, str] | None, names: Container[str]) -> dict[str, str]:
    return {name: value for name, value in (pairs or {}).items() if name not in names}
