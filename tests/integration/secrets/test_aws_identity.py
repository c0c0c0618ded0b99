"""Who govgate is to AWS: keys, roles, and service accounts of a real cluster; and an AWS that refuses or keeps silent."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from support.leaks import leaks
from support.users import ROOT

from gateway.config.model import Cluster as ClusterConfig
from gateway.controllers.external.stores import Bounds, Stores
from gateway.kube import connect
from gateway_secrets.external.store import store_of
from gateway_secrets.stores.credentials import KubeCredentials, NoCredentials
from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    ThrottledError,
    UnavailableError,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Reference

ROLE = "arn:aws:iam::123456789012:role"


@pytest.fixture
def secret(moto):
    """The name of a secret whose value is ``there``."""
    name = f"team/{uuid.uuid4().hex}"
    moto.client("secretsmanager").create_secret(Name=name, SecretString="there")
    return Reference(name)


async def test_roles_are_assumed_one_after_the_other(moto, open_aws, secret):
    """External id and tags with the last; what says who asks cannot be replaced by a tag of the manifest."""
    store = await open_aws(
        kind="ClusterSecretStore", namespace="team-a", additionalRoles=[f"{ROLE}/first"], role=f"{ROLE}/second",
        externalID="ext", sessionTagsPolicy="Custom", customSessionTags={"a": "b", "esoNamespace": "forged"},
        transitiveTagKeys=["a"],
    )  # fmt: skip
    found = await asyncio.gather(*[store.get(secret) for _ in range(10)])
    assert {secret.value for secret in found} == {b"there"}
    first, second = moto.asked("AssumeRole")
    assert (first["RoleArn"], second["RoleArn"]) == (f"{ROLE}/first", f"{ROLE}/second")
    assert ("ExternalId" not in first, second["ExternalId"]) == (True, "ext")
    tags = {second[f"Tags.member.{n}.Key"]: second[f"Tags.member.{n}.Value"] for n in range(1, 5)}
    assert tags == {
        "a": "b", "esoNamespace": "team-a", "esoStoreName": "cloud", "esoStoreKind": "ClusterSecretStore",
    }  # fmt: skip
    assert second["TransitiveTagKeys.member.1"] == "a"
    signers = {request["Authorization"].split("/")[0] for request in moto.asked("GetSecretValue")}
    assert len(signers) == 1
    assert "test-access-key" not in str(signers)


async def test_a_shared_store_is_logged_in_to_with_each_namespace_s_own_tag(moto, open_aws, secret):
    """As the controller reads it: what was obtained with the tag of one is not used for another, whoever comes first."""
    static = {"name": "aws", "namespace": "ops"}
    keys = {"accessKeyIDSecretRef": {**static, "key": "id"}, "secretAccessKeySecretRef": {**static, "key": "secret"}}
    spec = {"role": f"{ROLE}/second", "sessionTagsPolicy": "Simple", "auth": {"secretRef": keys}}
    store = store_of({
        "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "cloud"},
        "spec": {"provider": {"aws": {"service": "SecretsManager", "region": "eu-west-1", **spec}}},
    })  # fmt: skip

    async def opener(_store, namespace):
        return await open_aws(kind="ClusterSecretStore", namespace=namespace, **spec)

    stores = Stores(NoCredentials(), Bounds(100.0), opener=opener)
    for namespace in ("team-a", "team-b", "team-a"):
        await stores.ask(store, namespace, lambda reader: reader.get(secret))
    tags = [
        {asked[f"Tags.member.{n}.Key"]: asked[f"Tags.member.{n}.Value"] for n in range(1, 4)}["esoNamespace"]
        for asked in moto.asked("AssumeRole")
    ]
    assert tags == ["team-a", "team-b"]
    signers = [request["Authorization"].split("/")[0] for request in moto.asked("GetSecretValue")]
    assert signers[0] == signers[2] != signers[1]
    await stores.close()


async def test_the_role_of_a_service_account_is_assumed_with_its_token(moto, open_aws, secret, cluster, namespace):
    """IRSA: the role in its annotation, a token of the real API server for the audience of AWS, no request signed."""
    root = cluster.api(ROOT)
    annotations = {"eks.amazonaws.com/role-arn": f"{ROLE}/reader"}
    meta = {"name": "robot", "namespace": namespace, "annotations": annotations}
    root.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    plain = {"name": "plain", "namespace": namespace}
    root.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": plain})
    client = await connect(ClusterConfig(connect="kubeconfig", kubeconfig=str(cluster.kubeconfig(ROOT))))
    try:
        surroundings = {"surroundings": KubeCredentials(client), "namespace": namespace}
        store = await open_aws(auth={"jwt": {"serviceAccountRef": {"name": "robot"}}}, **surroundings)
        assert (await store.get(secret)).value == b"there"
        (asked,) = moto.asked("AssumeRoleWithWebIdentity")
        assert (asked["RoleArn"], asked["Authorization"]) == (f"{ROLE}/reader", "")
        part = asked["WebIdentityToken"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        assert (claims["sub"], claims["aud"]) == (f"system:serviceaccount:{namespace}:robot", ["sts.amazonaws.com"])
        without = await open_aws(auth={"jwt": {"serviceAccountRef": {"name": "plain"}}}, **surroundings)
        with pytest.raises(MisconfiguredError, match="plain has no annotation"):
            await without.get(secret)
    finally:
        await client.close()


async def test_a_cluster_store_without_credentials_reads_as_govgate(moto, open_aws, secret, monkeypatch):
    """From where AWS's own programs look for it; if there is nothing, that is said."""
    store = await open_aws(kind="ClusterSecretStore", auth={})
    with pytest.raises(MisconfiguredError, match="no AWS credentials"):
        await store.get(secret)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "its-secret")
    assert (await store.get(secret)).value == b"there"
    (asked,) = moto.asked("GetSecretValue")
    assert "of-the-environment" in asked["Authorization"]


class Odd:
    """An AWS that answers as it is told, and counts the roles that were assumed."""

    def __init__(self) -> None:
        self.respond = lambda _request: _value()
        self.life = timedelta(hours=1)
        self.assumed = 0
        self.asked = 0

    async def answer(self, request: web.Request) -> web.Response:
        if b"Action=AssumeRole" not in await request.read():
            self.asked += 1
            return self.respond(request)
        self.assumed += 1
        ends = (datetime.now(UTC) + self.life).strftime("%Y-%m-%dT%H:%M:%SZ")
        keys = f"<AccessKeyId>A{self.assumed}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
        text = f"{keys}<SessionToken>t</SessionToken><Expiration>{ends}</Expiration>"
        result = f"<AssumeRoleResult><Credentials>{text}</Credentials></AssumeRoleResult>"
        return web.Response(text=f"<AssumeRoleResponse>{result}</AssumeRoleResponse>", content_type="text/xml")


def _value():
    return web.json_response({"SecretString": "there", "VersionId": "v", "CreatedDate": 1.0})


def _error(code, status=400, message="as told"):
    return web.json_response({"__type": code, "message": message}, status=status)


@pytest.fixture
async def odd(moto, monkeypatch):
    odd = Odd()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", odd.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    for name in ("AWS_SECRETSMANAGER_ENDPOINT", "AWS_STS_ENDPOINT"):
        monkeypatch.setenv(name, url)
    yield odd
    await runner.cleanup()


async def test_keys_of_a_role_are_kept_as_long_as_they_are_good(odd, open_aws):
    """One for all reads of their life; new ones for what comes after it."""
    store = await open_aws(role=f"{ROLE}/r")
    for _ in range(3):
        await store.get(Reference("a"))
    assert odd.assumed == 1
    odd.life = timedelta(hours=-1)
    store = await open_aws(role=f"{ROLE}/r")
    for _ in range(3):
        await store.get(Reference("a"))
    assert odd.assumed == 4


async def test_keys_that_ended_early_are_obtained_anew(odd, open_aws):
    """By the read that finds it out. A refusal by policy costs no login."""
    store = await open_aws(role=f"{ROLE}/r")
    odd.respond = lambda request: (
        _error("ExpiredTokenException") if "A1/" in request.headers["Authorization"] else _value()
    )
    assert (await store.get(Reference("a"))).value == b"there"
    assert odd.assumed == 2
    odd.respond = lambda _: _error("AccessDeniedException")
    with pytest.raises(ForbiddenError):
        await store.get(Reference("a"))
    assert odd.assumed == 2


async def test_a_throttled_read_succeeds_in_the_end(odd, open_aws):
    """After a pause, and without trying on by itself in between."""
    answers = iter([_error("ThrottlingException"), _error("RequestLimitExceeded", 503), _value()])
    odd.respond = lambda _: next(answers)
    store = await open_aws(limits=StoreLimits(retry_seconds=0.01))
    assert (await store.get(Reference("a"))).value == b"there"
    odd.respond = lambda _: _error("TooManyRequestsException", 429)
    store = await open_aws(limits=StoreLimits(retry_seconds=1e9))
    odd.asked = 0
    with pytest.raises(ThrottledError, match="TooManyRequestsException"):
        await store.get(Reference("a"))
    assert odd.asked == 1


ODD = {
    "a failure": (lambda: _error("InternalServiceError", 500), UnavailableError, "InternalServiceError"),
    "no JSON": (lambda: web.Response(text="<html>", status=502), UnavailableError, "no usable answer|502"),
    "nothing": (lambda: web.Response(text=""), UnavailableError, "not what Secrets Manager gives"),
    "another shape": (lambda: web.json_response({"SecretString": 5}), UnavailableError, "not what Secrets Manager gives"),
    "a bad name": (lambda: _error("ValidationException"), MisconfiguredError, "ValidationException as told"),
    "no key of KMS": (lambda: _error("DecryptionFailure"), ForbiddenError, "DecryptionFailure"),
    "none": (lambda: _error("ResourceNotFoundException"), NotFoundError, "ResourceNotFoundException"),
    "a long story": (lambda: _error("Odd", message="y" * 9999), MisconfiguredError, "Odd y{200}$"),
    "a credential": (
        lambda: _error("AccessDeniedException", message="key test-secret-key is odd"), ForbiddenError, "key … is odd",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
async def test_odd_answers_are_errors_of_the_store(odd, open_aws, kind):
    """Each in one short line, without what the request was signed with."""
    respond, error, says = ODD[kind]
    odd.respond = lambda _: respond()
    with pytest.raises(error, match=says) as caught:
        await (await open_aws()).get(Reference("a"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert leaks(str(caught.value), ["test-secret-key"]) == []


async def test_an_aws_that_is_not_there_is_unavailable(open_aws, monkeypatch):
    """With the address that does not answer; an address that is none is the fault of who set it."""
    monkeypatch.setenv("AWS_SECRETSMANAGER_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9"):
        await (await open_aws()).get(Reference("a"))
    monkeypatch.setenv("AWS_SECRETSMANAGER_ENDPOINT", "no address")
    with pytest.raises(MisconfiguredError):
        await (await open_aws()).get(Reference("a"))
    monkeypatch.delenv("AWS_SECRETSMANAGER_ENDPOINT")
    with pytest.raises(MisconfiguredError):
        await (await open_aws(region="no region!")).get(Reference("a"))


@pytest.mark.parametrize("bad", ["nötä-key-€-Xy71", "two\nlines-of-it"])
async def test_keys_that_http_does_not_carry_are_misconfigured(odd, open_aws, credentials, bad):
    """And are in no message."""
    credentials.add("aws", id=bad)
    with pytest.raises(MisconfiguredError) as caught:
        await (await open_aws()).get(Reference("a"))
    assert leaks(str(caught.value), [bad]) == []
