"""What generators make for PushSecrets is kept until it is stored."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gateway.controllers.external.push_values import PushValues
from gateway.controllers.external.sessions import Generator
from gateway.kube import Key
from gateway_secrets.external.errors import UnsupportedError
from gateway_secrets.external.push_spec import PushSpec, spec_of
from gateway_secrets.external.spec import GeneratorRef

KEY = Key("web", "out")


class Sessions:
    """In the place of what finds generators: a UUID of some generation, or what Vault would make."""

    def __init__(self) -> None:
        self.generation = 1
        self.spec: Any = None

    async def find(self, ref: GeneratorRef, namespace: str) -> Generator:
        document = {"kind": ref.kind, "metadata": {"name": ref.name, "uid": "u", "generation": self.generation}}
        return Generator(ref, namespace, document, self.spec)


def made_by_one() -> PushSpec:
    selector = {"generatorRef": {"kind": "UUID", "name": "id"}}
    return spec_of({"spec": {"secretStoreRefs": [{"name": "vault"}], "selector": selector}})


async def test_what_was_made_is_kept_until_it_is_stored() -> None:
    """Each store has the same, however often one fails: until the PushSecret or the generator is another one."""
    sessions = Sessions()
    values = PushValues(cast("Any", None), cast("Any", sessions))

    async def made(version: str = "1", key: Key = KEY) -> bytes:
        return (await values.of(key, version, made_by_one()))[""]["uuid"]

    first = await made()
    assert await made() == first
    assert await made(key=Key("web", "other")) != first
    second = await made("2")
    assert second != first
    sessions.generation = 2
    third = await made("2")
    assert third != second
    values.forget(KEY)
    assert await made("2") != third
    assert "uuid" not in repr(values._made)


async def test_what_vault_makes_is_not_made() -> None:
    """Also where a ClusterGenerator is what names it."""
    sessions = Sessions()
    sessions.spec = {"path": "pki/issue/app"}
    with pytest.raises(UnsupportedError, match="ends with its lease"):
        await PushValues(cast("Any", None), cast("Any", sessions)).of(KEY, "1", made_by_one())
