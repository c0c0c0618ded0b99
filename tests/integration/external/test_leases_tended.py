"""Leases of a real OpenBao, with a clock that is moved on: renewed when that is due, and what is no good any more is replaced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import hvac
import pytest
from support.api import Api
from support.cluster import Cluster
from support.openbao import ROOT_TOKEN, OpenBao
from support.users import ROOT

from gateway.config.model import Cluster as Connection
from gateway.controllers.external import dynamic, endings
from gateway.controllers.external.dynamic import Dynamics
from gateway.controllers.external.sessions import Generator, Sessions
from gateway.core.errors import AuditError
from gateway.kube import KubeClient, connect
from gateway_secrets.external.made import Note, note_name
from gateway_secrets.external.spec import ExternalSecret, GeneratorRef, external_of
from gateway_secrets.stores.credentials import KubeCredentials

Json = dict[str, Any]
KIND = "VaultDynamicSecret"
WHERE = "spec.dataFrom[0]"


class Site:
    """A generator of tokens that last an hour, an ExternalSecret of it, and a clock."""

    def __init__(self, client: KubeClient, api: Api, namespace: str, bao: OpenBao) -> None:
        self.client, self.api, self.namespace, self.bao = client, api, namespace, bao
        self.moved = 0.0
        self.notes: list[Mapping[str, Any]] = []
        self.unwritable = False
        meta = {"name": "token", "namespace": namespace}
        api.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"t": ROOT_TOKEN}})
        provider = {"server": bao.url, "auth": {"tokenSecretRef": {"name": "token", "key": "t"}}}
        parameters = {"ttl": "1h", "policies": ["default"]}
        spec = {
            "path": "auth/token/create", "method": "POST", "resultType": "Auth", "controller": "govgate",
            "provider": provider, "parameters": parameters,
        }  # fmt: skip
        meta = {"name": "made", "namespace": namespace}
        api.create(
            {"apiVersion": "generators.external-secrets.io/v1alpha1", "kind": KIND, "metadata": meta, "spec": spec}
        )

    async def note(self, detail: Mapping[str, Any], kind: str = "") -> None:
        if self.unwritable:
            raise AuditError("the log is full")
        assert kind == "secret-made"
        self.notes.append(detail)

    def process(self) -> tuple[Dynamics, Sessions]:
        """As after a start."""
        sessions = Sessions(self.client, KubeCredentials(self.client))

        async def at_once() -> None:
            return None

        now = lambda: time.time() + self.moved  # noqa: E731
        return Dynamics(self.client, sessions, self, at_once, key=b"key", actor="tests", now=now), sessions

    async def generator(self, sessions: Sessions) -> Generator:
        return await sessions.find(GeneratorRef(KIND, "made"), self.namespace)

    def external(self, **spec: Any) -> ExternalSecret:
        entry = {"sourceRef": {"generatorRef": {"kind": KIND, "name": "made"}}}
        meta = {"name": "db", "namespace": self.namespace, "uid": "of-the-test", "generation": 1}
        return external_of({"metadata": meta, "spec": {"dataFrom": [entry], "refreshInterval": "240h", **spec}})

    def write(self, note: str) -> Json:
        meta = {"name": "db", "namespace": self.namespace, "annotations": {note_name(self.external()): note}}
        return self.api.create({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"a": "b"}})

    def ttl(self, token: bytes) -> int:
        seconds: int = self.bao.root.auth.token.lookup(token.decode())["data"]["ttl"]
        return seconds


@pytest.fixture
async def site(cluster: Cluster, types: None, namespace: str, bao: OpenBao) -> AsyncIterator[Site]:
    client = await connect(Connection(connect="kubeconfig", kubeconfig=str(cluster.kubeconfig(ROOT))))
    assert client is not None
    yield Site(client, cluster.api(ROOT), namespace, bao)
    await client.close()


async def test_renewed_noted_and_known_to_the_next_process(site: Site) -> None:
    """Not before half of its life; the note says until when; another process makes nothing anew."""
    first, sessions = site.process()
    external = site.external()
    kept, _ = await first.values(await site.generator(sessions), external, WHERE, (), {})
    assert kept.made.lease is not None
    secret = await asyncio.to_thread(site.write, first.note(external, [kept.made], Note()))
    assert await first.tend(external, secret) == await first.tend(external, secret)
    assert (await first.tend(external, secret)).present is secret
    site.bao.root.auth.token.renew_accessor(kept.made.lease.id, increment="1200s")
    site.moved = 2_000.0
    tended = await first.tend(external, secret)
    assert site.ttl(kept.values["client_token"]) > 3_000
    (renewed,) = tended.made
    assert renewed.lease is not None
    assert renewed.lease.ends > kept.made.lease.ends
    assert first.noted(external, tended.present).made == tended.made
    second, others = site.process()
    data = dict(kept.values)
    again, _ = await second.values(await site.generator(others), external, WHERE, tended.made, data)
    assert again.values == kept.values
    await first.close()
    await second.close()
    assert [one["outcome"] for one in site.notes] == ["generated"]
    assert site.notes[0]["lease"] not in ("", kept.made.lease.id)


async def test_what_somebody_else_ended_is_made_anew(site: Site) -> None:
    """Seen when it is to be renewed; one that was never written is made once all the same."""
    dynamics, sessions = site.process()
    external, generator = site.external(), await site.generator(sessions)
    kept, _ = await dynamics.values(generator, external, WHERE, (), {})
    assert (await dynamics.values(generator, external, WHERE, (), {}))[0] is kept
    assert kept.made.lease is not None
    secret = await asyncio.to_thread(site.write, dynamics.note(external, [kept.made], Note()))
    dynamics.settled(external, Note((kept.made,)))
    site.bao.root.auth.token.revoke_accessor(kept.made.lease.id)
    site.moved = 2_000.0
    tended = await dynamics.tend(external, secret)
    assert tended.made == ()
    assert tended.replaced_at is not None
    assert tended.replaced_at <= time.time() + site.moved
    other, _ = await dynamics.values(generator, external, WHERE, tended.made, {})
    assert other.values != kept.values
    await dynamics.close()


async def test_what_cannot_be_recorded_is_not_used(site: Site) -> None:
    """And is ended at once."""
    dynamics, sessions = site.process()
    before = len(site.bao.root.list("auth/token/accessors")["data"]["keys"])
    site.unwritable = True
    with pytest.raises(AuditError):
        await dynamics.values(await site.generator(sessions), site.external(), WHERE, (), {})
    assert len(site.bao.root.list("auth/token/accessors")["data"]["keys"]) == before
    await dynamics.close()


async def test_what_nobody_has_is_ended_at_an_orderly_stop(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a Secret has is not, also if the answer to its writing was lost."""
    for module in (dynamic, endings):
        monkeypatch.setattr(module, "CLOSE_SECONDS", 60.0)
    external = site.external()
    nobodys, somebodys = site.process(), site.process()
    lost, _ = await nobodys[0].values(await site.generator(nobodys[1]), external, WHERE, (), {})
    await nobodys[0].close()
    with pytest.raises(hvac.exceptions.Forbidden):
        site.ttl(lost.values["client_token"])
    kept, _ = await somebodys[0].values(await site.generator(somebodys[1]), external, WHERE, (), {})
    await asyncio.to_thread(site.write, somebodys[0].note(external, [kept.made], Note()))
    await somebodys[0].close()
    assert site.ttl(kept.values["client_token"]) > 0
    assert [one["outcome"] for one in site.notes] == ["generated", "revoking", "revoked", "generated"]


async def test_a_deletion_waits_for_a_vault_that_does_not_answer_but_not_for_ever(site: Site) -> None:
    """What is not ended then ends by itself."""
    first, sessions = site.process()
    external = site.external()
    kept, _ = await first.values(await site.generator(sessions), external, WHERE, (), {})
    secret = await asyncio.to_thread(site.write, first.note(external, [kept.made], Note()))
    generator = site.api.get("generators.external-secrets.io/v1alpha1", KIND, site.namespace, "made")
    site.api.patch(generator, {"spec": {"provider": {"server": "http://127.0.0.1:9"}}})
    second, _ = site.process()
    assert not await second.let_go(external, secret, last=False)
    assert await second.let_go(external, secret, last=True)
    assert site.ttl(kept.values["client_token"]) > 0
    assert await first.let_go(external, secret, last=False)
    with pytest.raises(hvac.exceptions.Forbidden):
        site.ttl(kept.values["client_token"])
    await first.close()
    await second.close()
