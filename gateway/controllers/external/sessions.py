"""The VaultDynamicSecrets that are open: connections and tokens, kept from one secret to the next."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import msgspec

from gateway.controllers.external.held import Json
from gateway.controllers.external.lines import Lines
from gateway.core.errors import ClusterError
from gateway.kube import ApiError, KubeClient, ResourceType
from gateway_secrets.external import generators
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.made import generator_name
from gateway_secrets.external.spec import GeneratorRef
from gateway_secrets.stores.credentials import Credentials, Scope
from gateway_secrets.stores.errors import ForbiddenError, MisconfiguredError, StoreError
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.manifest import parse_manifest
from gateway_secrets.stores.threads import Threads
from gateway_secrets.stores.vault_dynamic import VaultDynamic, open_dynamic
from gateway_secrets.stores.vault_dynamic_spec import dynamic_spec

MAX_OPEN = 200
_REOPEN_SECONDS = 15.0
_CLOSE_SECONDS = 5.0
_IDLE_SECONDS = 60.0
"""Longer than the deadline of a request."""
Identity = tuple[str, str, str]
"""Namespace, name as in notes, and revision."""


class Generator(msgspec.Struct, frozen=True):
    """One that is there. ``spec``: of the VaultDynamicSecret that it is or wraps; None if it is another one."""

    ref: GeneratorRef
    namespace: str
    document: Json
    spec: Json | None

    @property
    def revision(self) -> str:
        """Another one for each change of it."""
        metadata = self.document.get("metadata") or {}
        return f"{metadata.get('uid')}.{metadata.get('generation')}"

    @property
    def identity(self) -> Identity:
        """Under which it is open."""
        return self.namespace, generator_name(self.ref), self.revision

    @property
    def label(self) -> str:
        """What to call it in messages."""
        return f"{self.ref.kind} {self.ref.name}"

    @property
    def path(self) -> str:
        """What is asked for.

        Raises:
            MisconfiguredError: it says what cannot be done.
        """
        return dynamic_spec(self.spec, where=f"{self.label}: spec").path


class _Open:
    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.source: VaultDynamic | None = None
        self.opened_at = self.used_at = time.monotonic()

    def is_idle(self, now: float) -> bool:
        """Whether nobody can be waiting for it, nor open it."""
        return not self.turn.locked() and now - self.used_at > _IDLE_SECONDS


class Sessions:
    """For one event loop. ``threads``: shared with stores; ``limits``: those of each store. ``recovered`` is told of a namespace
    for whose generators a server answers again; ``logins``, what came of each login, by kind of store.
    """

    def __init__(
        self,
        client: KubeClient,
        credentials: Credentials,
        threads: Threads | None = None,
        limits: StoreLimits | None = None,
        recovered: Callable[[str], None] = lambda _: None,
        *,
        logins: Callable[[str, str], None] = lambda _provider, _outcome: None,
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._threads = threads
        self._logins = logins
        self._limits = limits or StoreLimits()
        self._lines = Lines(self._limits, recovered)
        self._open: OrderedDict[Identity, _Open] = OrderedDict()
        self._retired: list[_Open] = []

    async def find(self, ref: GeneratorRef, namespace: str) -> Generator:
        """The generator as it is now.

        Raises:
            SpecError: there is none, or it is not run here.
            ClusterError: the API server could not be asked, or gave something odd.
        """
        resource = ResourceType(generators.GROUP, ("v1alpha1",), generators.resource_of(ref))
        own = "" if ref.kind == generators.CLUSTER else namespace
        try:
            document = await self._client.find(resource.path("v1alpha1", own, ref.name))
        except ApiError as error:
            raise error.about(f"{ref.kind} {ref.name}") from None
        if document is None:
            raise SpecError(f"there is no {ref.kind} {ref.name}")
        if not isinstance(document.get("spec") or {}, dict):
            raise ClusterError(f"{ref.kind} {ref.name}: is none that can be read")
        document = document | {"kind": ref.kind}
        return Generator(ref, namespace, document, generators.dynamic_of(document))

    async def source(self, generator: Generator) -> VaultDynamic:
        """What makes secrets as the generator says.

        Raises:
            StoreError: it says what cannot be done, or its credentials cannot be had.
        """
        identity = generator.identity
        opened = self._open.setdefault(identity, _Open())
        self._open.move_to_end(identity)
        async with opened.turn:
            if opened.source is None:
                opened.source = await self._opened(generator)
                opened.opened_at = time.monotonic()
            opened.used_at = time.monotonic()
            source = opened.source
        while len(self._open) > MAX_OPEN:
            self._retired.append(self._open.popitem(last=False)[1])
        await self._tidy()
        return source

    def known(self, namespace: str, name: str, revision: str) -> VaultDynamic | None:
        """One that is open, whatever became of the generator since."""
        opened = self._open.get((namespace, name, revision))
        if opened is None:
            return None
        opened.used_at = time.monotonic()
        return opened.source

    async def failed(self, identity: Identity, error: StoreError) -> None:
        """Its credentials or certificates may be others by now: it is opened anew, not more often than it makes sense."""
        opened = self._open.get(identity)
        old = opened is not None and time.monotonic() - opened.opened_at > _REOPEN_SECONDS
        if opened is not None and old and isinstance(error, ForbiddenError | MisconfiguredError):
            self._retired.append(self._open.pop(identity))
            await self._tidy()

    async def close(self) -> None:
        """Close all. Tokens stay that leases in use were asked for with."""
        opened = [*self._open.values(), *self._retired]
        self._open.clear()
        self._retired.clear()
        await asyncio.gather(*map(_close, opened))

    async def _tidy(self) -> None:
        """Close those that are retired, and that nobody uses; one that is still being opened is closed later."""
        now = time.monotonic()
        idle = [one for one in self._retired if one.is_idle(now)]
        self._retired = [one for one in self._retired if one not in idle]
        await asyncio.gather(*map(_close, idle))

    async def _opened(self, generator: Generator) -> VaultDynamic:
        about = {"name": generator.ref.name, "namespace": generator.namespace}
        # As a SecretStore of the namespace: its credentials are there, and nowhere else.
        manifest = parse_manifest(
            {
                "apiVersion": "external-secrets.io/v1",
                "kind": "SecretStore",
                "metadata": about,
                "spec": {"provider": {}},
            },
            source=generator.label,
        )
        scope = Scope(
            manifest, self._credentials, namespace=generator.namespace, threads=self._threads, label=generator.label,
            logins=partial(self._logins, "vault"),
        )  # fmt: skip
        provider = dynamic_spec(generator.spec, where=f"{generator.label}: spec").provider
        line = self._lines.of(generator.namespace, provider)
        return await open_dynamic(generator.spec, scope, self._limits, line.call)


async def _close(opened: _Open) -> None:
    source, opened.source = opened.source, None
    if source is not None:
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await source.close()
