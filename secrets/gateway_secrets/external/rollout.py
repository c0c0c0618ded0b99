"""Whether a workload is to be restarted, since Secrets that it uses hold something else. Pure.

A workload opts in by the label ``secrets.govgate.dev/restart: "true"``. It bears the digest of what its Secrets held when it
was seen last; when that is another, its pod template gets the new one, and its controller restarts it: once for each content,
whatever becomes of the process meanwhile. The digest is keyed, as the marks are: see :mod:`.record`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway_secrets.external.record import PREFIX

LABEL = f"{PREFIX}/restart"
SEEN = f"{PREFIX}/secrets-seen"
"""Of the workload: the digest of what its Secrets held when it was started, or restarted, last."""
RESTARTED = f"{PREFIX}/restarted-for"
"""Of its pods: the digest that they were restarted for."""
_CHARACTERS = 32

Json = dict[str, Any]


class Restart(msgspec.Struct, frozen=True):
    """What to write: ``seen`` alone is a note, with ``restart`` the pods are restarted."""

    seen: str
    restart: bool


def secrets_used(workload: Json) -> frozenset[str]:
    """The names of the Secrets that its pods read: by environment or volume, of any of their containers."""
    pod = _mapping(_mapping(_mapping(workload, "spec"), "template"), "spec")
    return frozenset(name for name in _names(pod) if isinstance(name, str) and name)


def restart_of(workload: Json, held: Mapping[str, Mapping[str, str]], key: bytes) -> Restart | None:
    """What to do about a workload; None: nothing. ``held``: what those of its Secrets hold that govgate keeps."""
    if not held:
        return None
    digest = digest_of(held, key)
    seen = _mapping(_mapping(workload, "metadata"), "annotations").get(SEEN)
    if seen == digest:
        return None
    # One that is seen for the first time was started with what there is now.
    return Restart(digest, restart=seen is not None)


def applied(workload: Json, api_version: str, kind: str, what: Restart) -> Json:
    """The part of the workload that is written."""
    metadata = workload["metadata"]
    document: Json = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata.get("uid"),
            "annotations": {SEEN: what.seen},
        },
    }
    template = _mapping(_mapping(_mapping(workload, "spec"), "template"), "metadata")
    former = _mapping(template, "annotations").get(RESTARTED)
    restarted = what.seen if what.restart else former
    if restarted is not None:
        # Left out, what was applied before would be taken away, which is another restart.
        document["spec"] = {"template": {"metadata": {"annotations": {RESTARTED: restarted}}}}
    return document


def digest_of(held: Mapping[str, Mapping[str, str]], key: bytes) -> str:
    """Of what Secrets hold."""
    message = msgspec.json.encode({name: dict(data) for name, data in held.items()}, order="deterministic")
    return hmac.digest(key, b"restart\0" + message, "sha256").hex()[:_CHARACTERS]


def _names(pod: Json) -> Iterator[Any]:
    for volume in _list(pod, "volumes"):
        yield _mapping(volume, "secret").get("secretName")
        for source in _list(_mapping(volume, "projected"), "sources"):
            yield _mapping(source, "secret").get("name")
    for field in ("containers", "initContainers"):
        for container in _list(pod, field):
            for source in _list(container, "envFrom"):
                yield _mapping(source, "secretRef").get("name")
            for variable in _list(container, "env"):
                yield _mapping(_mapping(variable, "valueFrom"), "secretKeyRef").get("name")


def _mapping(value: Any, name: str) -> Json:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _list(value: Any, name: str) -> list[Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []
