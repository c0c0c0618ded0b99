"""Azure's clients of Key Vault against a vault that checks what Azure's does."""

from __future__ import annotations

import asyncio
import base64
import json
import logging

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding
from support.azure import CLIENT, TENANT, client_certificate, client_pem
from support.leaks import leaks

from gateway_secrets.stores.credentials import FolderCredentials
from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    ThrottledError,
    UnavailableError,
    UnusableError,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Find, Reference


async def test_values_and_versions(azure, open_azure):
    """The newest, or the one that is named; with and without ``secret/``."""
    first, second = azure.add("app", '{"a": "one"}', '{"a": "two", "b.c": "d"}')
    store = await open_azure()
    newest = await store.get(Reference("app", "a"))
    assert (newest.value, newest.version) == (b"two", second)
    assert newest.created.startswith("20")
    old = await store.get(Reference("secret/app", "a", first))
    assert (old.value, old.version) == (b"one", first)
    assert (await store.get(Reference("app", "b.c"))).value == b"d"
    assert (await store.get(Reference("app"))).value == b'{"a": "two", "b.c": "d"}'


async def test_keys_and_certificates(azure, open_azure):
    """Of a key the public part, as JSON; of a certificate what is signed, as DER."""
    number = base64.urlsafe_b64encode(b"\x01" * 256).rstrip(b"=").decode()
    (key,) = azure.add("app", {"kty": "RSA", "key_ops": ["sign"], "n": number, "e": "AQAB"}, kind="keys")
    certificate, _ = client_certificate()
    der = certificate.public_bytes(Encoding.DER)
    old, new = azure.add("app", b"old", der, kind="certificates")
    store = await open_azure()
    found = await store.get(Reference("key/app"))
    assert json.loads(found.value) == {
        "kid": f"{azure.url}/keys/app/{key}", "kty": "RSA", "key_ops": ["sign"], "n": number, "e": "AQAB",
    }  # fmt: skip
    assert (await store.get(Reference("key/app", "kty"))).value == b"RSA"
    newest = await store.get(Reference("cert/app"))
    assert (newest.value, newest.version) == (der, new)
    assert (await store.get(Reference("cert/app", version=old))).value == b"old"


@pytest.mark.native
async def test_what_is_not_there_is_not_found(azure, open_azure):
    """No secret, key or certificate, no version, no property."""
    azure.add("app", '{"a": "b"}')
    store = await open_azure()
    for reference in (
        Reference("none"), Reference("key/app"), Reference("cert/app"), Reference("app", version="0" * 32),
        Reference("app", "b"),
    ):  # fmt: skip
        with pytest.raises(NotFoundError, match=reference.key):
            await store.get(reference)


async def test_what_is_known_of_a_secret(azure, open_azure):
    """Its version, times and tags, which are what ``metadataPolicy: Fetch`` gives."""
    *_, newest = azure.add("app", "1", "2", tags={"team": "a"})
    store = await open_azure()
    known = await store.describe("app")
    assert (known.version, known.document["team"]) == (newest, "a")
    assert known.document["created"].startswith("20")
    assert (await store.get(Reference("app", "team", metadata_policy="Fetch"))).value == b"a"


@pytest.mark.native
async def test_secrets_are_found_by_name_and_tags(azure, open_azure):
    """Over several pages; those that are disabled are not."""
    for number in range(60):
        azure.add(f"many-{number:02}", "x", tags={"half": str(number % 2)})
    azure.kinds["secrets"]["many-02"][0].enabled = False
    store = await open_azure()
    assert len(await store.find(Find(path="many"))) == 59
    assert azure.asked == ["GET /secrets"] * 3
    assert await store.find(Find(name="-0[123]$")) == ["many-01", "many-03"]
    assert await store.find(Find(name="-0[1234]$", tags={"half": "0"})) == ["many-04"]


async def test_secrets_are_pushed_and_what_was_deleted_is_taken_back(azure, open_azure):
    """Its name is not free before it is purged; nobody else's is touched."""
    store = await open_azure()
    await store.put(Reference("app", "a"), b"1")
    await store.delete(Reference("app"))
    assert list(azure.deleted) == ["app"]
    await store.put(Reference("app", "b"), b"2")
    assert (await store.get(Reference("app"))).value == b'{"b":"2"}'
    assert azure.kinds["secrets"]["app"][-1].tags == {"managed-by": "external-secrets"}
    azure.add("theirs", "1")
    azure.deleted["gone"] = [azure.kinds["secrets"]["theirs"][0]]
    for change in (
        store.put(Reference("theirs"), b"2"), store.delete(Reference("theirs")), store.put(Reference("gone"), b"2"),
    ):  # fmt: skip
        with pytest.raises(MisconfiguredError, match="not made by pushing"):
            await change
    with pytest.raises(UnusableError, match="text only"):
        await store.put(Reference("bytes"), b"\xff")
    with pytest.raises(MisconfiguredError, match="not keys or certificates"):
        await store.put(Reference("key/app"), b"x")


async def test_one_token_for_all_and_a_new_one_when_it_is_refused(azure, open_azure):
    """The read that finds it out succeeds; a refusal by policy costs no new one."""
    azure.add("app", "1")
    store = await open_azure()
    found = await asyncio.gather(*[store.get(Reference("app")) for _ in range(20)])
    assert {secret.value for secret in found} == {b"1"}
    assert len(azure.logins) == 1
    azure.tokens.clear()
    assert (await store.get(Reference("app"))).value == b"1"
    assert len(azure.logins) == 2
    azure.denied.add("GET secrets")
    with pytest.raises(ForbiddenError, match="does not have permission"):
        await store.get(Reference("app"))
    assert len(azure.logins) == 2


async def test_a_token_is_renewed_before_its_end(azure, open_azure):
    """One that has none to speak of serves one read."""
    azure.add("app", "1")
    azure.life = 0
    store = await open_azure()
    for _ in range(3):
        await store.get(Reference("app"))
    assert len(azure.logins) >= 3


async def test_a_client_certificate(azure, open_azure, credentials):
    """Signs for who it is; the key goes nowhere."""
    azure.add("app", "1")
    credentials.add("azure", pem=client_pem())
    secret = {"clientId": {"name": "azure", "key": "id"}, "clientCertificate": {"name": "azure", "key": "pem"}}
    store = await open_azure(authSecretRef=secret)
    assert (await store.get(Reference("app"))).value == b"1"
    assert "client_assertion" in azure.logins[0]
    credentials.add("azure", pem="no certificate at all")
    with pytest.raises(MisconfiguredError, match="not what Azure takes") as caught:
        await (await open_azure(authSecretRef=secret)).get(Reference("app"))
    assert "no certificate at all" not in str(caught.value)


class Accounts(FolderCredentials):
    """Service accounts without a cluster."""

    def __init__(self, folder, **annotations):
        super().__init__(folder)
        self.found = annotations
        self.asked = []

    async def token(self, namespace, name, audiences):
        self.asked.append((namespace, name, tuple(audiences)))
        return "subject-Token-Vx73/+"

    async def annotations(self, namespace, name):
        return self.found


async def test_a_service_account_with_workload_identity(azure, open_azure, credentials):
    """Who it is to Azure is in its annotations; its token, for Azure alone, vouches for it."""
    azure.add("app", "1")
    azure.assertions.add("subject-Token-Vx73/+")
    marks = {"azure.workload.identity/client-id": CLIENT, "azure.workload.identity/tenant-id": TENANT}
    accounts = Accounts(credentials.folder, **marks)
    spec = {"authType": "WorkloadIdentity", "tenantId": "", "authSecretRef": None}
    store = await open_azure(surroundings=accounts, serviceAccountRef={"name": "robot"}, **spec)
    assert (await store.get(Reference("app"))).value == b"1"
    assert accounts.asked == [("default", "robot", ("api://AzureADTokenExchange",))]
    azure.assertions.clear()
    store = await open_azure(surroundings=accounts, serviceAccountRef={"name": "robot"}, **spec)
    with pytest.raises(ForbiddenError, match="AADSTS700027") as caught:
        await store.get(Reference("app"))
    assert leaks(str(caught.value), ["subject-Token-Vx73/+"]) == []
    store = await open_azure(surroundings=Accounts(credentials.folder), serviceAccountRef={"name": "robot"}, **spec)
    with pytest.raises(MisconfiguredError, match="robot has no annotation azure"):
        await store.get(Reference("app"))


async def test_a_wrong_client_secret_is_forbidden_and_not_shown(azure, open_azure, credentials):
    """Though Azure may repeat it; one that is put right is used by the next read."""
    azure.add("app", "1")
    wrong = "Wq2-mismatched-Xy7/+"
    credentials.add("azure", secret=wrong)
    store = await open_azure()
    with pytest.raises(ForbiddenError, match="AADSTS7000215") as caught:
        await store.get(Reference("app"))
    assert leaks(str(caught.value), [wrong]) == []
    credentials.add("azure", secret=azure.client_secret)
    assert (await store.get(Reference("app"))).value == b"1"


def _refusal(status, code="Odd", message="as told", **headers):
    error = {"error": {"code": code, "message": message}}
    return lambda: web.json_response(error, status=status, headers=headers)


ODD = {
    "a failure": (_refusal(500, "InternalServerError"), UnavailableError, "InternalServerError as told"),
    "busy": (_refusal(503), UnavailableError, "as told"),
    "a bad request": (_refusal(400, "BadParameter"), MisconfiguredError, "BadParameter as told"),
    "a refusal": (_refusal(403, "Forbidden"), ForbiddenError, "Forbidden as told"),
    "no JSON": (lambda: web.Response(text="<html>", content_type="text/html"), UnavailableError, "no usable|not what"),
    "another shape": (lambda: web.json_response({"value": 5, "id": "x"}), UnavailableError, "not what"),
    "no JSON at all": (lambda: web.Response(text="{", content_type="application/json"), UnavailableError, "no usable"),
    "a redirect": (
        lambda: web.Response(status=307, headers={"Location": "https://127.0.0.1:9/"}), UnavailableError, "307",
    ),
    "a long story": (_refusal(500, message="y\n" * 999), UnavailableError, "Odd (y )+y?$"),
    "too much": (lambda: web.json_response({"value": "x" * 5_000_000, "id": "x"}), UnavailableError, "no usable"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
async def test_odd_answers_are_errors_of_the_store(azure, open_azure, kind):
    """Each in one short line."""
    respond, error, says = ODD[kind]
    azure.refuse = [respond()]
    with pytest.raises(error, match=says) as caught:
        await (await open_azure()).get(Reference("app"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


async def test_a_throttled_read_succeeds_in_the_end(azure, open_azure):
    """Not before the vault asked for; or tells that it was throttled."""
    azure.add("app", "1")
    azure.refuse = [_refusal(429)(), _refusal(429)()]
    store = await open_azure(limits=StoreLimits(retry_seconds=0.01))
    assert (await store.get(Reference("app"))).value == b"1"
    azure.refuse = [_refusal(429, **{"Retry-After": "3600"})()]
    with pytest.raises(ThrottledError) as caught:
        await store.get(Reference("app"))
    assert caught.value.retry_after_seconds == 3600


async def test_a_vault_that_is_not_there_or_not_trusted_is_unavailable(azure, open_azure, monkeypatch):
    """Without a word of TLS, which Azure's client does not give on."""
    store = await open_azure(vaultUrl="https://127.0.0.1:9")
    with pytest.raises(UnavailableError, match="app: no usable answer"):
        await store.get(Reference("app"))
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(UnavailableError, match="app: no usable answer"):
        await (await open_azure()).get(Reference("app"))
    assert azure.logins == []


async def test_no_library_logs_a_value(azure, open_azure, caplog):
    """At any level."""
    azure.add("app", "planted-Value-Xq81/+")
    with caplog.at_level(logging.DEBUG):
        await (await open_azure()).get(Reference("app"))
    assert leaks(caplog.text, ["planted-Value-Xq81/+", azure.client_secret, *azure.tokens]) == []


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"vaultUrl": "http://127.0.0.1"}, "vaultUrl: not an https address"),
        ({"vaultUrl": "https://"}, "vaultUrl: not an https address"),
        ({"environmentType": "AzureStackCloud", "customCloudConfig": None}, "needs customCloudConfig"),
        ({"environmentType": "PublicCloud"}, "needs customCloudConfig, no other has it"),
        (
            {"environmentType": "PublicCloud", "customCloudConfig": None},
            "vaults of PublicCloud are at NAME.vault.azure",
        ),
        ({"tenantId": ""}, "tenantId is needed"),
        ({"authSecretRef": {"clientId": {"name": "azure", "key": "id"}}}, "clientSecret or clientCertificate"),
        ({"authType": "ManagedIdentity"}, "only a ClusterSecretStore reads as govgate itself"),
        ({"authType": "WorkloadIdentity"}, "only a ClusterSecretStore reads as govgate itself"),
        ({"authType": "Other"}, "authType: not one of the values"),
        ({"vault": "x"}, "unknown field `vault`"),
    ],
)
async def test_manifests_that_cannot_work_say_why(azure, open_azure, spec, says):
    """With the field, before anything is sent."""
    with pytest.raises(MisconfiguredError, match=says):
        await (await open_azure(**spec)).get(Reference("app"))
    assert azure.logins == []


@pytest.mark.parametrize("key", ["a/b", "secret/a/b", "../x", "", "a b", "x" * 128, "secret/"])
async def test_a_key_is_the_name_of_an_object(azure, open_azure, key):
    """Anything else could lead elsewhere; so could a version."""
    store = await open_azure()
    with pytest.raises(MisconfiguredError, match="a name is"):
        await store.get(Reference(key))
    with pytest.raises(MisconfiguredError, match="no version"):
        await store.get(Reference("app", version="../x"))
