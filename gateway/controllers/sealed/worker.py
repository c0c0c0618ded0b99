"""One SealedSecret brought in sync: what is held is looked at, and what is decided is written.

Nothing is read from the API server for it. What is written states the version that was looked at; if that was not the
newest, the server refuses, and the object comes again. So a process may end between looking and writing.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from gateway.controllers.sealed.events import event_of
from gateway.controllers.sealed.held import SEALED, SECRETS, VERSION, Held, Json
from gateway.core.errors import ClusterError
from gateway.kube import ApiError, Key, KubeClient
from gateway.kube.discovery import Pace
from gateway.kube.events import EVENTS
from gateway_secrets.sealed.keyring import KeyRing
from gateway_secrets.sealed.reconcile import Action, Decision, Templates, decide, status_of

_BAD, _FORBIDDEN, _TOO_LARGE, _INVALID = 400, 403, 413, 422
_log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What became of an object. ``denied``: it cannot be done, and may be later, when the API server takes the Secret, or
    a template is rendered in time.
    """

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    DENIED = "denied"
    GONE = "gone"


class Lookup(Protocol):
    """What is held of a type of objects."""

    def get(self, namespace: str, name: str) -> Held | None:
        """One object."""
        ...


class Worker:
    """Brings objects in sync, several at a time if asked to."""

    def __init__(
        self, client: KubeClient, sealed: Lookup, secrets: Lookup, pace: Pace, templates: Templates | None = None
    ) -> None:
        self._client = client
        self._sealed = sealed
        self._secrets = secrets
        self._pace = pace
        self._templates = templates

    async def sync(self, key: Key, ring: KeyRing) -> Outcome:
        """Bring one in sync.

        Raises:
            ClusterError: the API server could not be asked, or has another version of what was looked at.
        """
        held = self._sealed.get(*key)
        if held is None:
            return Outcome.GONE
        document = held.document
        if document["metadata"].get("deletionTimestamp"):
            return Outcome.GONE
        existing = self._secrets.get(*key)
        decision = await asyncio.to_thread(_decided, document, ring, existing, self._templates)
        outcome = Outcome.DENIED if decision.again else _OF_ACTION[decision.action]
        if decision.secret is not None:
            try:
                await self._write(key, decision)
            except ApiError as error:
                if error.code not in {_BAD, _FORBIDDEN, _TOO_LARGE, _INVALID}:
                    raise
                decision, outcome = Decision(Action.REFUSE, problem=_denial(error)), Outcome.DENIED
        await self._say(key, document, decision)
        return outcome

    async def _write(self, key: Key, decision: Decision) -> None:
        assert decision.secret is not None  # noqa: S101 - the caller's condition
        await self._pace()
        if decision.action is Action.CREATE:
            await self._client.create(SECRETS.path("v1", key.namespace), decision.secret)
        else:
            await self._client.replace(SECRETS.path("v1", *key), decision.secret)

    async def _say(self, key: Key, document: Json, decision: Decision) -> None:
        """State in the SealedSecret how it is, if that is not what it says; and tell of it in an Event."""
        now = datetime.now(UTC)
        status = status_of(document, decision, now)
        if status is None:
            return
        await self._pace()
        try:
            await self._client.replace(f"{SEALED.path(VERSION, *key)}/status", document | {"status": status})
        except ApiError as error:
            if error.code != _INVALID:
                raise
            # The object's own status is not what its type allows now: nothing of the Secret depends on it.
            _log.warning("status not written", extra={"fields": {"object": "/".join(key), "problem": str(error)}})
            return
        try:
            await self._client.create(EVENTS.path("v1", key.namespace), event_of(document, decision, now))
        except ClusterError as error:
            _log.warning("event not written", extra={"fields": {"object": "/".join(key), "problem": str(error)}})


def _decided(document: Json, ring: KeyRing, existing: Held | None, templates: Templates | None) -> Decision:
    """The decision; in a thread, where private keys are at work."""
    return decide(document, ring, existing.document if existing is not None else None, templates)


def _denial(error: ApiError) -> str:
    """What the status says. Only validation is quoted, which shows no value of a Secret; others may say anything."""
    quoted = f": {str(error)[:500]}" if error.code == _INVALID else f" ({error.code} {error.reason[:64]})"
    return f"the API server does not take the Secret{quoted}"


_OF_ACTION = {
    Action.NONE: Outcome.UNCHANGED,
    Action.CREATE: Outcome.CREATED,
    Action.UPDATE: Outcome.UPDATED,
    Action.REFUSE: Outcome.REFUSED,
}
