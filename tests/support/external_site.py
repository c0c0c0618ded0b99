"""A namespace of a real cluster with a store in it, and what a controller makes of its ExternalSecrets.

What tests put into the store is planted (support.planted): they write words, and read words again.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.api import Api, ApiError
from support.cluster import wait_for
from support.openbao import ROOT_TOKEN, OpenBao
from support.planted import PLANTED
from support.said import SAID

from gateway_secrets.external.allowed import ANNOTATION

Json = dict[str, Any]
EXTERNAL = ("external-secrets.io/v1", "ExternalSecret")
TOLD = (EXTERNAL, ("external-secrets.io/v1", "SecretStore"), ("external-secrets.io/v1alpha1", "PushSecret"))
"""Kinds whose conditions tell people something."""
SECONDS = 90
NEVER = "87600h"
"""A refresh interval whose window does not end while a test counts reads."""


class Site:
    """The test's namespace, with a store that is govgate's, and what is in it."""

    def __init__(self, api: Api, namespace: str, bao: OpenBao) -> None:
        self.api, self.namespace, self.bao = api, namespace, bao
        self.store_name = f"store-of-{namespace}"

    def put(self, path: str, **data: Any) -> None:
        """A new version of a secret, below the test's own path."""
        self.bao.put(f"{self.namespace}/{path}", **PLANTED.plant_all(data))

    def store(
        self, *, token: str = ROOT_TOKEN, controller: str = "govgate", kind: str = "SecretStore", **more: Any
    ) -> None:
        """Make a store that reads OpenBao with a token."""
        self.token(token)
        provider = {
            "vault": {
                "server": more.pop("server", self.bao.url),
                "path": "kv",
                "auth": {"tokenSecretRef": {"name": "token", "key": "t", "namespace": self.namespace}},
            }
        }
        metadata: Json = {"name": self.store_name}
        if kind == "SecretStore":
            metadata["namespace"] = self.namespace
        if "allowed" in more:
            metadata["annotations"] = {ANNOTATION: more.pop("allowed")}
        self.api.apply(
            {
                "apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": metadata,
                "spec": {"controller": controller, "provider": provider, **more},
            },
            manager="tests",
        )  # fmt: skip

    def token(self, token: str) -> None:
        """The credential of the store."""
        data = {"t": base64.b64encode(token.encode()).decode()}
        meta = {"name": "token", "namespace": self.namespace}
        self.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data}, manager="tests")

    def external(self, name: str = "db", *, keys: Any = ("password",), path: str = "db", **spec: Any) -> Json:
        """An ExternalSecret of some keys of one path; not yet created."""
        kind = spec.pop("store_kind", "SecretStore")
        remote = f"{self.namespace}/{path}"
        data = [{"secretKey": key, "remoteRef": {"key": remote, "property": key}} for key in keys]
        whole = {"secretStoreRef": {"name": self.store_name, "kind": kind}, **({"data": data} if keys else {}), **spec}
        return {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": whole,
        }

    def create(self, name: str = "db", **spec: Any) -> Json:
        return self.api.create(self.external(name, **spec))

    def secret(self, name: str = "db") -> Json | None:
        try:
            return self.api.get("v1", "Secret", self.namespace, name)
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    def values(self, name: str = "db") -> dict[str, str] | None:
        secret = self.secret(name)
        if secret is None:
            return None
        data = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
        return PLANTED.reveal_all(data)

    def ready(self, name: str = "db") -> Json:
        status = self.api.get(*EXTERNAL, self.namespace, name).get("status") or {}
        return next((one for one in status.get("conditions") or [] if one["type"] == "Ready"), {})

    def store_ready(self) -> Json:
        """The condition of the store."""
        status = self.api.get(EXTERNAL[0], "SecretStore", self.namespace, self.store_name).get("status") or {}
        return next((one for one in status.get("conditions") or [] if one["type"] == "Ready"), {"reason": ""})

    def wait_values(self, name: str = "db", **values: str) -> None:
        """Until the Secret holds these values and no others, and the ExternalSecret is ready."""
        wait_for(lambda: self.values(name) == values and self.ready(name).get("status") == "True", seconds=SECONDS)

    def wait_refused(self, text: str, name: str = "db") -> Json:
        """Until the ExternalSecret says that it is not ready, and why."""

        def refused() -> bool:
            ready = self.ready(name)
            return ready.get("status") == "False" and text in ready.get("message", "")

        wait_for(refused, seconds=SECONDS)
        ready = self.ready(name)
        assert ready["reason"] == "SecretSyncedError"
        return ready

    def events(self) -> list[Json]:
        return [
            one
            for one in self.api.list("v1", "Event", self.namespace)
            if one["involvedObject"]["kind"] == "ExternalSecret"
        ]

    def end(self) -> None:
        """Keep what was said in the namespace, and tidy up."""
        SAID.namespace(self.api, self.namespace, TOLD)
        self.api.delete_collection(*EXTERNAL, self.namespace)


@contextmanager
def unwritable(site: Site) -> Iterator[None]:
    """While this lasts, the API server takes no new Secret of the name ``db``."""
    deny = {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": site.namespace},
        "spec": {
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}
            ]},
            "matchConditions": [{"name": "one", "expression": "request.name == 'db'"}],
            "validations": [{"expression": "false", "message": "not now"}],
        },
    }  # fmt: skip
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": site.namespace},
        "spec": {"policyName": site.namespace, "validationActions": ["Deny"], "matchResources": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": site.namespace}}
        }},
    }  # fmt: skip
    site.api.create(deny)
    site.api.create(binding)
    try:
        wait_for(lambda: not _created(site), seconds=SECONDS)
        yield
    finally:
        site.api.delete(binding)
        site.api.delete(deny)


def _created(site: Site) -> bool:
    """Whether such a Secret can be made; it is not left there."""
    item = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": site.namespace}}
    try:
        site.api.create(item)
    except ApiError:
        return False
    site.api.delete(item)
    return True
