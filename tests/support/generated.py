"""VaultDynamicSecrets of a test's namespace, and what a controller makes of them."""

from __future__ import annotations

import json
from typing import Any

import hvac
from support.api import ApiError
from support.cluster import wait_for
from support.external_site import EXTERNAL, NEVER, SECONDS, Site

Json = dict[str, Any]
GENERATORS = "generators.external-secrets.io/v1alpha1"
FINALIZER = "secrets.govgate.dev/leases"
NOTE = "secrets.govgate.dev/generated"


class Maker:
    """VaultDynamicSecrets of a namespace, and ExternalSecrets of what they make."""

    def __init__(self, site: Site) -> None:
        """One that issues certificates, with leases, by a role of its own."""
        self.site, self.bao, root = site, site.bao, site.bao.root
        if "pki/" not in root.sys.list_mounted_secrets_engines()["data"]:
            for engine in ("pki", "ssh"):
                root.sys.enable_secrets_engine(engine)
            root.write_data("pki/root/generate/internal", data={"common_name": "tests", "ttl": "10h"})
            otp = {"key_type": "otp", "default_user": "bob", "cidr_list": "10.0.0.0/8"}
            root.write_data("ssh/roles/otp", data=otp)
        role = {"allow_any_name": True, "generate_lease": True, "key_type": "ec", "key_bits": 256}
        root.write_data(f"pki/roles/{site.namespace}", data=role)
        self.issues = f"pki/issue/{site.namespace}"
        self.generator(self.issues, method="POST", parameters={"common_name": "app.example.com", "ttl": "1h"})

    def count(self) -> int:
        """The certificates that were issued and not revoked."""
        try:
            return len(self.bao.root.sys.list_leases(self.issues)["data"]["keys"])
        except hvac.exceptions.InvalidPath:
            return 0

    def generator(self, path: str, name: str = "made", controller: str = "govgate", **spec: Any) -> Json:
        return self.site.api.apply(
            {
                "apiVersion": GENERATORS, "kind": "VaultDynamicSecret",
                "metadata": {"name": name, "namespace": self.site.namespace},
                "spec": self.spec(path, controller, **spec),
            },
            manager="tests",
        )  # fmt: skip

    def spec(self, path: str, controller: str = "govgate", **spec: Any) -> Json:
        provider = {"server": self.bao.url, "auth": {"tokenSecretRef": {"name": "token", "key": "t"}}}
        return {"path": path, "controller": controller, "provider": provider} | spec

    def create(self, name: str = "db", kind: str = "VaultDynamicSecret", **spec: Any) -> Json:
        entry = {"sourceRef": {"generatorRef": {"kind": kind, "name": "made"}}}
        whole = {"dataFrom": [entry], "refreshInterval": NEVER, **spec}
        meta = {"name": name, "namespace": self.site.namespace}
        return self.site.api.create({"apiVersion": EXTERNAL[0], "kind": EXTERNAL[1], "metadata": meta, "spec": whole})

    def made(self, name: str = "db") -> dict[str, str]:
        """What the Secret holds, when the ExternalSecret is ready."""
        wait_for(
            lambda: self.site.ready(name).get("status") == "True" and bool(self.site.values(name)), seconds=SECONDS
        )
        return self.site.values(name) or {}

    def note(self, name: str = "db") -> Json:
        """What is noted of it."""
        note = (self.site.secret(name) or {})["metadata"]["annotations"][NOTE]
        made: Json = json.loads(note)["made"][0]
        return made

    def replaced(self, name: str = "db") -> list[Json]:
        """What is noted to be ended."""
        note = (self.site.secret(name) or {})["metadata"]["annotations"][NOTE]
        found: list[Json] = json.loads(note).get("replaced", [])
        return found

    def lease(self, name: str = "db") -> Json:
        lease: Json = self.note(name)["lease"]
        return lease

    def lives(self, lease: Json) -> bool:
        """Whether the server knows the lease."""
        try:
            self.bao.root.sys.read_lease(lease["id"])
        except hvac.exceptions.InvalidRequest:
            return False
        return True

    def gone(self, name: str = "db") -> bool:
        try:
            self.site.api.get(*EXTERNAL, self.site.namespace, name)
        except ApiError as error:
            return error.code == 404
        return False
