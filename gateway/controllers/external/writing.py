"""The Secret of an ExternalSecret, written as it was decided of the one that is there.

What is written states the version that was looked at; if that was not the newest, the server refuses, and it is decided
anew with the newest, and with the same values. So a process may end at any moment: the Secret is the old or the new one.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.controllers.external.held import SECRETS, Json
from gateway.controllers.external.known import Known
from gateway.controllers.external.looks import Outcome
from gateway.core.errors import ClusterError
from gateway.kube import ApiError, KubeClient, is_outdated
from gateway.kube.discovery import Pace
from gateway_secrets.external.spec import ExternalSecret
from gateway_secrets.external.target import Action, Decision, is_owner, refused

Decide = Callable[[Json | None], Decision]
"""What decides, with values that were read, about whatever Secret is there."""
_WRITTEN = {Action.CREATE: Outcome.CREATED, Action.UPDATE: Outcome.UPDATED, Action.DELETE: Outcome.DELETED}
_NOT_FOUND, _CONFLICT = 404, 409
_INVALID = 422
_REFUSALS = frozenset((400, 403, 413, _INVALID))
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')
_TRIES = 4


class SecretWriter:
    """Writes as much as the pace allows."""

    def __init__(self, client: KubeClient, known: Known, pace: Pace) -> None:
        self._client = client
        self._known = known
        self._pace = pace

    async def present(self, external: ExternalSecret) -> Json | None:
        """The Secret as the API server has it.

        Raises:
            ClusterError: the API server could not be asked.
        """
        found = await self._client.find(SECRETS.path("v1", external.namespace, external.target_name))
        if found is None:
            return None
        found["metadata"].pop("managedFields", None)
        return found | {"apiVersion": "v1", "kind": "Secret"}

    async def write(
        self, external: ExternalSecret, decide: Decide, present: Json | None, *, remembers: bool
    ) -> tuple[Decision, Outcome]:
        """Do what is decided of the Secret that is present, or of a newer one. ``remembers``: another Secret may remember other
        values, so that nothing is decided of it with these.

        Raises:
            ClusterError: the API server did not do it, or what was looked at is outdated.
        """
        decision = decide(present)
        for _ in range(_TRIES):
            if decision.action in (Action.NONE, Action.REFUSE):
                return decision, Outcome.UNCHANGED
            try:
                await self._write(external, decision)
            except ApiError as error:
                if error.code in (_NOT_FOUND, _CONFLICT) and not remembers:
                    decision = decide(await self.present(external))
                    continue
                if is_outdated(error):
                    raise  # a Secret that has changed may remember other values: all is decided anew
                if error.code not in _REFUSALS:
                    raise ClusterError(_denial(error)) from None
                return refused(_denial(error)), Outcome.REFUSED
            return decision, _WRITTEN[decision.action]
        raise ClusterError("the Secret changes faster than it can be written")

    async def sweep(self, external: ExternalSecret) -> None:
        """Delete the Secrets that were this one's under another name.

        Raises:
            ClusterError: the API server did not do it.
        """
        for key in self._known.owned_by(external.uid):
            secret = self._known.secrets(key)
            document = secret.document if secret is not None else None
            ours = document is not None and key.namespace == external.namespace and is_owner(external, document)
            if key.name == external.target_name or not ours or document is None:
                continue
            only = {"uid": document["metadata"].get("uid")}
            await self._pace()
            try:
                await self._client.delete(SECRETS.path("v1", *key), only=only)
            except ApiError as error:
                if error.code not in (_NOT_FOUND, _CONFLICT):
                    raise

    async def _write(self, external: ExternalSecret, decision: Decision) -> None:
        assert decision.secret is not None  # noqa: S101 - what is written is there
        client, namespace = self._client, external.namespace
        await self._pace()
        if decision.action is Action.CREATE:
            await client.create(SECRETS.path("v1", namespace), decision.secret)
        elif decision.action is Action.UPDATE:
            await client.replace(SECRETS.path("v1", namespace, external.target_name), decision.secret)
        else:
            metadata = decision.secret["metadata"]
            only = {"uid": metadata.get("uid"), "resourceVersion": metadata.get("resourceVersion")}
            await client.delete(SECRETS.path("v1", namespace, external.target_name), only=only)


def _denial(error: ApiError) -> str:
    """What the status says. Only validation is quoted, without the values that it quotes: labels may be made of secrets."""
    if error.code != _INVALID:
        return f"the API server does not take the Secret ({error.code} {error.reason[:64]})"
    return f"the API server does not take the Secret: {_QUOTED.sub('…', str(error))[:500]}"
