"""The loop: reads what there is, does the next thing, and looks again."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Mapping

from gateway.controllers.certificates import held
from gateway.controllers.certificates.plan import (
    AUTHORITY_DAYS,
    Authority,
    Facts,
    Step,
    Wanted,
    bundle_of,
    next_step,
    untold,
)
from gateway.controllers.frame import Checks, Context
from gateway.controllers.metrics import CertificateMetrics
from gateway.core.certificates import Pair, make_authority, make_server, service_names
from gateway.core.errors import ClusterError, GovgateError
from gateway.core.subject import Json
from gateway.kube import ApiError, ResourceType

CHECK_SECONDS = 30.0
_SOON_SECONDS = 1.0
_RETRY_SECONDS = 5.0
_STEPS_A_LOOK = 8
_CONFLICT = 409
_SECRETS = ResourceType("", ("v1",), "secrets")
_REGISTRATIONS = ResourceType("admissionregistration.k8s.io", ("v1",), "validatingwebhookconfigurations")
_log = logging.getLogger(__name__)


def certificates_loop(context: Context) -> CertificatesLoop | None:
    """The loop, if it is asked for."""
    return CertificatesLoop(context) if context.config.controller.certificates.enabled else None


class CertificatesLoop:
    """Keeps a good certificate in a Secret, and registrations that believe it."""

    name = "certificates"
    everywhere = False

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._settings = context.config.controller.certificates
        self._namespace = context.config.cluster.own_namespace
        names = service_names(self._settings.service_name, self._namespace)
        self._names = names
        self._wanted = Wanted(frozenset(names), self._settings.renew_days, self._settings.overlap_seconds)
        self._metrics = CertificateMetrics(context.registry)
        self._trusted: tuple[bytes, float] = (b"", 0.0)
        self._problem = ""
        self._missing: tuple[str, ...] = ()

    def checks(self) -> Checks:
        """Whether certificates are as they should be."""
        if self._problem:
            return {"certificates": self._problem}
        if self._missing:
            return {"registration": f"not there: {', '.join(self._missing)}: nothing is asked of govgate"}
        return {"certificates": True}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                pause = await self._look()
                self._problem = ""
            except ApiError as error:
                # Somebody else wrote meanwhile: that is to be read first.
                pause = _SOON_SECONDS if error.code == _CONFLICT else self._failed(error)
            except GovgateError as error:
                pause = self._failed(error)
            await asyncio.sleep(pause)

    def _failed(self, error: GovgateError) -> float:
        if str(error) != self._problem:
            _log.warning("certificates not kept", extra={"fields": {"problem": str(error)}})
        self._problem = str(error)
        return _RETRY_SECONDS

    async def _look(self) -> float:
        """Do all that can be done now; the pause until the next look."""
        for _ in range(_STEPS_A_LOOK):
            secrets, registrations, facts = await self._read()
            step = next_step(facts, self._wanted)
            if step is Step.WAIT:
                return CHECK_SECONDS
            await self._do(step, facts, secrets, registrations)
        return _SOON_SECONDS

    async def _read(self) -> tuple[dict[str, Json | None], dict[str, Json], Facts]:
        now = dt.datetime.now(dt.UTC)
        serving_name = self._settings.secret_name
        authority_name = f"{serving_name}-authority"
        names = (authority_name, serving_name)
        secrets = {name: await self._client.find(_SECRETS.path("v1", self._namespace, name)) for name in names}
        registrations: dict[str, Json] = {}
        for name in self._settings.webhook_configurations:
            found = await self._client.find(_REGISTRATIONS.path("v1", name=name))
            if found is not None:
                registrations[name] = found
        self._missing = tuple(n for n in self._settings.webhook_configurations if n not in registrations)
        authority = held.read_authority(secrets[authority_name], f"Secret {self._namespace}/{authority_name}")
        serving = held.read_serving(secrets[serving_name])
        self._tell(authority, serving)
        service = self._settings.service_name
        bundles = {name: held.bundles(one, service, self._namespace) for name, one in registrations.items()}
        return (
            secrets,
            registrations,
            Facts(now, authority, serving, bundles, self._trusted_for(authority, bundles, now)),
        )

    def _trusted_for(
        self, authority: Authority | None, bundles: Mapping[str, tuple[bytes, ...]], now: dt.datetime
    ) -> float:
        """For how many seconds this process has seen the present authority in every registration."""
        wanted = bundle_of(authority, now) if authority is not None else b""
        if not wanted or untold(bundles, wanted):
            self._trusted = (b"", 0.0)
            return 0.0
        if self._trusted[0] != wanted:
            self._trusted = (wanted, time.monotonic())
        return time.monotonic() - self._trusted[1]

    async def _do(
        self, step: Step, facts: Facts, secrets: Mapping[str, Json | None], registrations: Mapping[str, Json]
    ) -> None:
        name, service = self._settings.secret_name, self._settings.service_name
        authority, now = facts.authority, facts.now
        if step is Step.MAKE_AUTHORITY:
            older = authority.known(now) if authority is not None else held.believed(secrets[name])
            pair = await asyncio.to_thread(make_authority, f"{service} webhook authority", days=AUTHORITY_DAYS, now=now)
            made, key = Authority(pair, older), f"{name}-authority"
            await self._put(key, held.authority_secret(key, self._namespace, made, now, secrets[key]), secrets[key])
            _log.info("authority made", extra={"fields": {"secret": key}})
            return
        if authority is None:
            raise ClusterError("the authority is gone again")
        if step is Step.MAKE_SERVING:
            serving = await asyncio.to_thread(
                make_server, authority.pair, self._names, days=self._settings.valid_days, now=now
            )
            present = secrets[name]
            document = held.serving_secret(name, self._namespace, serving, authority=authority, now=now, held=present)
            await self._put(name, document, present)
            ends = serving.certificate.not_valid_after_utc
            _log.info("certificate made", extra={"fields": {"secret": name, "until": ends.isoformat()}})
            return
        bundle = bundle_of(authority, now)
        for key in untold(facts.bundles, bundle):
            changed = held.with_bundle(registrations[key], service, self._namespace, bundle)
            await self._client.replace(_REGISTRATIONS.path("v1", name=key), changed)
            _log.info("registration told whom to believe", extra={"fields": {"registration": key}})

    async def _put(self, name: str, document: Json, present: Json | None) -> None:
        """Create it, or replace the one that was read and no other."""
        if present is None:
            await self._client.create(_SECRETS.path("v1", self._namespace), document)
        else:
            await self._client.replace(_SECRETS.path("v1", self._namespace, name), document)

    def _tell(self, authority: Authority | None, serving: Pair | None) -> None:
        for label, pair in (("authority", authority.pair if authority else None), ("serving", serving)):
            if pair is not None:
                self._metrics.expiry.labels(label).set(pair.certificate.not_valid_after_utc.timestamp())
