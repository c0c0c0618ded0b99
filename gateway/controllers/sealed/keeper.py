"""The keys, as the key namespace has them: watched, and renewed in time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import msgspec

from gateway.controllers.sealed.held import SECRETS, Json
from gateway.core.errors import ClusterError, GovgateError
from gateway.kube import Key, KubeClient, WatchCache, until_synced
from gateway_secrets.sealed.backups import BACKED_UP, Keys, keys_of
from gateway_secrets.sealed.keyring import KeyRing, Ring, is_key, new_key, ring_of

_CHECK_SECONDS = 60.0
_RETRY_SECONDS = 15.0
_log = logging.getLogger(__name__)


class KeysError(GovgateError):
    """There are key Secrets, and none of them can be read: a new key would hide that."""


class Keeper:
    """The keys in a namespace. ``renew``: as old as this, the newest is replaced; None: this process makes none.

    ``changed`` is called when there are other keys than before; ``noted``, when ``backups`` may say something else.
    """

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        *,
        renew: timedelta | None = None,
        changed: Callable[[], None] = lambda: None,
        noted: Callable[[], None] = lambda: None,
    ) -> None:
        self.ring = KeyRing(())
        self.backups = Keys()
        self._client = client
        self._namespace = namespace
        self._renew = renew
        self._changed = changed
        self._noted = noted
        self._problems: tuple[str, ...] = ()
        self._problem = ""
        self._made: dict[str, Json] = {}
        self._stale = asyncio.Event()
        self._cache = WatchCache(client, SECRETS, _key_text, namespace=namespace, on_change=self._seen)

    @property
    def problem(self) -> str:
        """Why keys cannot be read, or made; empty if all is well."""
        return self._problem or self._cache.problem or "; ".join(self._problems[:3])

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Read the keys while this lasts."""
        self._cache.start()
        try:
            yield
        finally:
            await self._cache.close()

    async def settled(self) -> None:
        """Until the keys were read, and, if this process makes them, there is one.

        Raises:
            GovgateError: none can be made.
        """
        await until_synced([self._cache])
        try:
            await self._step()
        except GovgateError:
            if not self.ring.pairs:
                raise  # with the keys that are there work can begin; :meth:`run` goes on trying

    async def run(self) -> None:
        """Follow the keys, and renew them, until cancelled."""
        while True:
            seconds = _CHECK_SECONDS
            try:
                await self._step()
                self._problem = ""
            except GovgateError as error:
                if str(error) != self._problem:
                    _log.warning("sealing key not made", extra={"fields": {"problem": str(error)}})
                self._problem, seconds = str(error), _RETRY_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stale.wait()

    def _seen(self, _key: Key, old: bytes | None, new: bytes | None) -> None:
        """A Secret of the namespace came, changed, or went; most are no keys."""
        if (old or b"") != (new or b""):
            self._stale.set()

    async def _step(self) -> None:
        await self._read()
        if self._renew is None or not self._cache.synced or not self.ring.due(datetime.now(UTC), self._renew):
            return
        if not self.ring.pairs and self._problems:
            raise KeysError(f"none of the sealing keys in {self._namespace} can be read: {self._problems[0]}")
        secret = await asyncio.to_thread(new_key, self._namespace, datetime.now(UTC))
        created = await self._client.create(SECRETS.path("v1", self._namespace), secret)
        # Held by itself until the watch tells of it: otherwise the next look would find none, and make another.
        name = str((created.get("metadata") or {}).get("name", ""))
        if not name:
            raise ClusterError("a sealing key was made, and the answer does not name it")
        self._made[name] = secret | {"metadata": secret["metadata"] | {"name": name}}
        self._stale.set()
        await self._read()
        fields = {"name": name, "certificate": self.ring.newest.certificate.fingerprint}
        _log.info("sealing key made", extra={"fields": fields})

    async def _read(self) -> None:
        """Read the keys anew, if they changed. In a thread: each private key is checked, which takes a while."""
        if not self._stale.is_set():
            return
        self._stale.clear()
        held = {key.name: text for key, text in self._cache.items() if text}
        self._made = {name: secret for name, secret in self._made.items() if name not in held}
        secrets = [msgspec.json.decode(text) for text in held.values()] + list(self._made.values())
        found: Ring = await asyncio.to_thread(ring_of, secrets)
        if found.problems != self._problems:
            for problem in found.problems:
                _log.warning("sealing key unreadable", extra={"fields": {"problem": problem}})
        self._problems = found.problems
        self.backups = await asyncio.to_thread(keys_of, secrets)
        before = [pair.certificate.fingerprint for pair in self.ring.pairs]
        self.ring = found.ring
        if before != [pair.certificate.fingerprint for pair in found.ring.pairs]:
            self._changed()
        self._noted()


def _key_text(secret: Json) -> bytes:
    """A key Secret; nothing of any other one."""
    if not is_key(secret):
        return b""
    metadata = secret["metadata"]
    kept = {key: metadata[key] for key in ("name", "labels") if key in metadata}
    noted = (metadata.get("annotations") or {}).get(BACKED_UP)
    kept |= {"annotations": {BACKED_UP: noted}} if noted is not None else {}
    return msgspec.json.encode({"metadata": kept, "data": secret.get("data") or {}})
