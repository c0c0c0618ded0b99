"""What is held of SealedSecrets and Secrets: as JSON text, without what nobody needs, and nothing of foreign ones."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.controllers.contests import writer_of
from gateway.controllers.sealed.claims import Claims
from gateway.kube import ResourceType
from gateway_secrets.sealed.objects import API_VERSION, KIND
from gateway_secrets.sealed.reconcile import MARK
from gateway_secrets.sealed.scope import MANAGED, PATCH

Json = dict[str, Any]
SEALED = ResourceType("bitnami.com", ("v1alpha1",), "sealedsecrets")
SECRETS = ResourceType("", ("v1",), "secrets")
VERSION = "v1alpha1"

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Held(msgspec.Struct, frozen=True):
    """An object as JSON. ``urgent``: new, changed, or failing. ``writer``: who wrote it last, but for govgate."""

    text: bytes
    urgent: bool = False
    writer: str = ""

    @property
    def document(self) -> Json:
        """Decoded: a copy of the reader's own."""
        return _decode(self.text)

    def __repr__(self) -> str:
        return f"Held({len(self.text)} bytes)"


class Reader:
    """Reduces the objects of claimed namespaces; all others are None."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    def sealed(self, document: Json) -> Held | None:
        """A SealedSecret."""
        metadata = document["metadata"]
        if metadata.get("namespace") not in self._claims:
            return None
        metadata.pop("managedFields", None)
        return Held(
            msgspec.json.encode(document | {"apiVersion": API_VERSION, "kind": KIND}), urgent=_unsettled(document)
        )

    def secret(self, document: Json) -> Held | None:
        """A Secret: of one that no SealedSecret may write, no value is kept."""
        metadata = document["metadata"]
        if metadata.get("namespace") not in self._claims:
            return None
        writer = writer_of(metadata.pop("managedFields", None))
        kept = document | {"apiVersion": "v1", "kind": "Secret"}
        if not _concerns(metadata):
            named = {key: metadata.get(key) for key in ("name", "namespace", "uid", "resourceVersion")}
            kept = {"apiVersion": "v1", "kind": "Secret", "metadata": named}
        return Held(msgspec.json.encode(kept), writer=writer)


def _unsettled(document: Json) -> bool:
    """Whether a SealedSecret's status does not say that it is in sync as it is now. Its status is anybody's text."""
    status = document.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    if not isinstance(status, dict) or not isinstance(conditions, list):
        return True
    synced = any(
        isinstance(one, dict) and one.get("type") == "Synced" and one.get("status") == "True" for one in conditions
    )
    return not synced or status.get("observedGeneration") != document["metadata"].get("generation")


def _concerns(metadata: Json) -> bool:
    annotations = metadata.get("annotations") or {}
    owners = metadata.get("ownerReferences") or []
    return bool(annotations.keys() & {MARK, MANAGED, PATCH}) or any(owner.get("kind") == KIND for owner in owners)
