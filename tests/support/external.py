"""ExternalSecrets, stores and what reads them, for tests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gateway_secrets.external.collect import Fresh
from gateway_secrets.external.errors import ContentError
from gateway_secrets.external.spec import ExternalSecret, GeneratorRef, StoreRef, external_of
from gateway_secrets.stores.errors import NotFoundError
from gateway_secrets.stores.model import Find, Payload, Reference
from gateway_secrets.stores.values import document_payload

Json = dict[str, Any]
_NAMED = re.compile(r"\{\{ \.(\w+) \}\}")


def external_secret(name: str = "db", namespace: str = "web", **spec: Any) -> Json:
    """An ExternalSecret that reads one key of the SecretStore ``vault``."""
    whole = {"secretStoreRef": {"name": "vault"}, **spec}
    if not {"data", "dataFrom"} & spec.keys():
        whole["data"] = [{"secretKey": "password", "remoteRef": {"key": "team/db", "property": "password"}}]
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-of-{name}", "generation": 1},
        "spec": whole,
    }


def external(name: str = "db", **spec: Any) -> ExternalSecret:
    """The same, read."""
    return external_of(external_secret(name, **spec))


class Shelf:
    """What a store holds: JSON documents by key."""

    def __init__(self, **documents: str) -> None:
        self.documents = {key.replace("__", "/"): text.encode() for key, text in documents.items()}
        self.asked: list[str] = []
        self.made = 0

    async def payload(self, store: StoreRef, reference: Reference) -> Payload:
        self.asked.append(f"{store.name}:{reference.key}")
        if reference.key not in self.documents:
            raise NotFoundError(f"{reference.key}: not there")
        return document_payload(self.documents[reference.key], version="7")

    async def find(self, store: StoreRef, find: Find) -> Sequence[str]:
        return sorted(key for key in self.documents if key.startswith(find.path))

    async def generate(self, generator: GeneratorRef, where: str) -> Fresh:
        self.made += 1
        return Fresh(
            {"password": f"{generator.name}-{self.made}".encode()}, remembered=generator.kind != "VaultDynamicSecret"
        )


class Words:
    """Fills in ``{{ .name }}`` and nothing else: enough to see what is asked of a renderer, and what becomes of it."""

    async def render(
        self,
        texts: Sequence[str],
        values: Mapping[str, bytes],
        *,
        dialect: str = "external-secrets",
    ) -> list[bytes]:
        def value(found: re.Match[str]) -> str:
            if found[1] not in values:
                raise ContentError(f"no value {found[1]!r}")
            return values[found[1]].decode()

        return [_NAMED.sub(value, text).encode() for text in texts]
