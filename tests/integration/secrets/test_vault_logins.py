"""Every way to log in that the real OpenBao has built in, and the shapes of those that it has not."""

from __future__ import annotations

import base64
import json
import time

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from support.leaks import leaks

from gateway_secrets.stores.errors import ForbiddenError, MisconfiguredError
from gateway_secrets.stores.model import Reference

POLICY = ["reader"]


@pytest.fixture
def secret(bao):
    bao.put("login/app", v="there")
    return Reference("login/app", "v")


async def test_approle_with_its_role_in_a_secret(bao, open_vault, credentials, secret):
    """Both ids from Secrets."""
    bao.root.auth.approle.create_or_update_approle("two", token_policies=POLICY)
    credentials.add(
        "approle",
        role=bao.root.auth.approle.read_role_id("two")["data"]["role_id"],
        secret=bao.root.auth.approle.generate_secret_id("two")["data"]["secret_id"],
    )
    ref = {"name": "approle"}
    store = await open_vault({"appRole": {"roleRef": {**ref, "key": "role"}, "secretRef": {**ref, "key": "secret"}}})
    assert (await store.get(secret)).value == b"there"


async def test_userpass(bao, open_vault, credentials, secret):
    """A name and a password."""
    bao.root.auth.userpass.create_or_update_user("robot", "hunter2-hunter2", policies=POLICY)
    credentials.add("robot", password="hunter2-hunter2")
    store = await open_vault({"userPass": {"username": "robot", "secretRef": {"name": "robot", "key": "password"}}})
    assert (await store.get(secret)).value == b"there"


async def test_jwt(bao, open_vault, credentials, secret):
    """A signed token, by a key that the server was given."""
    key = rsa.generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    bao.root.auth.jwt.configure(jwt_validation_pubkeys=[public.decode()])
    bao.root.auth.jwt.create_role(
        "reader", role_type="jwt", user_claim="sub", bound_audiences=["vault"], token_policies=POLICY,
        allowed_redirect_uris=[],
    )  # fmt: skip
    now = int(time.time())
    claims = {"sub": "robot", "aud": "vault", "iat": now, "nbf": now, "exp": now + 300}
    credentials.add("jwt", token=_signed(claims, key))
    store = await open_vault({"jwt": {"role": "reader", "secretRef": {"name": "jwt", "key": "token"}}})
    assert (await store.get(secret)).value == b"there"


@pytest.fixture
def by_kubernetes(bao, server, namespace):
    """The server has tokens reviewed by a real API server; a role for the service account ``robot``."""
    ca = base64.b64decode(server["caBundle"]).decode()
    config = {"kubernetes_host": server["url"], "kubernetes_ca_cert": ca, "disable_local_ca_jwt": True}
    bao.root.auth.kubernetes.configure(**config)
    bao.root.auth.kubernetes.create_role("reader", ["robot"], [namespace], policies=POLICY)


@pytest.mark.usefixtures("by_kubernetes")
async def test_kubernetes(open_vault, credentials, secret, reviewed):
    """A service account's token, which a real API server vouches for."""
    credentials.add("robot", token=reviewed)
    store = await open_vault({"kubernetes": {"role": "reader", "secretRef": {"name": "robot"}}})
    assert (await store.get(secret)).value == b"there"


def _signed(claims, key):
    """A JWT (RS256)."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "RS256"}, claims)]
    signature = key.sign(b".".join(parts), padding.PKCS1v15(), hashes.SHA256())
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")])


async def test_a_client_certificate_over_tls_with_a_private_ca(bao, open_vault, credentials, secret):
    """The server is trusted by the CA in a Secret, and knows the client by its certificate."""
    bao.root.auth.cert.create_ca_certificate_role("reader", bao.authority.pem.decode(), token_policies=POLICY)
    certificate, key = bao.authority.issue("robot")
    credentials.add("client", tls_crt=certificate, tls_key=key)
    credentials.add("ca", ca_crt=bao.authority.pem)
    ref = {"name": "client"}
    auth = {"cert": {"clientCert": {**ref, "key": "tls.crt"}, "secretRef": {**ref, "key": "tls.key"}}}
    provider = {"type": "Secret", "name": "ca", "key": "ca.crt"}
    store = await open_vault(auth, server=bao.tls_url, caProvider=provider)
    assert (await store.get(secret)).value == b"there"


async def test_a_ca_bundle_inline(bao, open_vault, credentials, secret):
    """Base64 in the manifest; without it, the server is not trusted, and that is said."""
    credentials.add("vault", token=bao.root.auth.token.create(policies=POLICY)["auth"]["client_token"])
    auth = {"tokenSecretRef": {"name": "vault", "key": "token"}}
    bundle = base64.b64encode(bao.authority.pem).decode()
    store = await open_vault(auth, server=bao.tls_url, caBundle=bundle)
    assert (await store.get(secret)).value == b"there"
    with pytest.raises(MisconfiguredError, match=r"TLS with .*: unable to get local issuer certificate"):
        await (await open_vault(auth, server=bao.tls_url)).get(secret)


async def test_wrong_credentials_are_forbidden_and_in_no_message(bao, open_vault, credentials, secret):
    """Whatever status the server says it with."""
    bao.root.auth.userpass.create_or_update_user("robot", "right-password-1", policies=POLICY)
    bao.root.auth.approle.create_or_update_approle("reader", token_policies=POLICY)
    wrong = "Wq2-mismatched-Xy7/+"
    credentials.add("robot", password=wrong, token=wrong)
    ref = {"name": "robot", "key": "password"}
    for auth in (
        {"userPass": {"username": "robot", "secretRef": ref}},
        {"appRole": {"roleId": "nobody", "secretRef": ref}},
        {"jwt": {"role": "reader", "secretRef": ref}},
        {"tokenSecretRef": ref},
    ):
        with pytest.raises(ForbiddenError) as caught:
            await (await open_vault(auth)).get(secret)
        assert leaks(str(caught.value), [wrong]) == []


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        ({}, "exactly one method, and has 0"),
        ({"gcp": {}}, "auth.gcp: is not known here; use one of the other methods"),
        ({"tokenSecretRef": {"name": "none", "key": "token"}}, "Secret default/none: there is no file"),
        ({"tokenSecretRef": {"name": "x", "namespace": "other", "key": "token"}}, "may use its own, default, only"),
        ({"tokenSecretRef": {"key": "token"}}, "lacks its name"),
        ({"appRol": {}}, "unknown field `appRol`"),
    ],
)
async def test_manifests_that_cannot_work_say_why(open_vault, secret, auth, says):
    """With the field, before anything is sent."""
    with pytest.raises(MisconfiguredError, match=says):
        await (await open_vault(auth)).get(secret)


@pytest.mark.parametrize("kind", ["token", "line", "ca", "client", "server", "port", "binary"])
async def test_credentials_that_cannot_be_used_are_misconfigured(bao, open_vault, credentials, kind):
    """Characters that HTTP does not carry, certificates that are none, addresses that are none: never a bug of ours."""
    bad = "nötä-tokäen-€-Xy71"
    certificate, _ = bao.authority.issue("robot")
    credentials.add("vault", token={"token": bad, "line": "two\nlines-of-it", "binary": b"\xff\xfe"}.get(kind, "x"))
    credentials.add("client", tls_crt=certificate, tls_key="no key at all")
    tls = {"certSecretRef": {"name": "client"}, "keySecretRef": {"name": "client"}}
    spec = {
        "ca": {"server": bao.tls_url, "caBundle": base64.b64encode(b"no certificate").decode()},
        "client": {"server": bao.tls_url, "caBundle": base64.b64encode(bao.authority.pem).decode(), "tls": tls},
        "server": {"server": "http://[::1"},
        "port": {"server": "http://127.0.0.1:99999"},
    }.get(kind, {})
    with pytest.raises(MisconfiguredError) as caught:
        await (await open_vault({"tokenSecretRef": {"name": "vault", "key": "token"}}, **spec)).get(Reference("a"))
    assert leaks(str(caught.value), [bad, "lines-of-it", "no key at all"]) == []


class Recorder:
    """Plays a Vault that lets everybody in, and remembers what it was sent: for methods that OpenBao has not."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], dict]] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read() or b"{}")
        self.asked.append((request.method, request.path, dict(request.headers), body))
        if "/auth/" in request.path:
            return web.json_response({"auth": {"client_token": "t", "lease_duration": 60, "renewable": True}})
        return web.json_response({"data": {"data": {"v": "there"}, "metadata": {"version": 1}}})


@pytest.fixture
async def recorder():
    recorder = Recorder()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", recorder.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    recorder.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield recorder
    await runner.cleanup()


async def test_the_shape_of_an_ldap_login(recorder, open_vault, credentials):
    """POST to the mount, the user's name in the path; namespace and headers as the manifest has them."""
    credentials.add("ldap", password="pass-word-1")
    auth = {"namespace": "auth-ns", "ldap": {"username": "robot", "secretRef": {"name": "ldap", "key": "password"}}}
    store = await open_vault(auth, server=recorder.url, namespace="ns", headers={"X-Team": "a"})
    assert (await store.get(Reference("k", "v"))).value == b"there"
    (_, path, headers, body), (_, read, read_headers, _) = recorder.asked
    assert (path, body) == ("/v1/auth/ldap/login/robot", {"password": "pass-word-1"})
    assert (headers["X-Vault-Namespace"], headers["X-Team"]) == ("auth-ns", "a")
    assert "X-Vault-Token" not in headers
    assert (read, read_headers["X-Vault-Namespace"], read_headers["X-Vault-Token"]) == ("/v1/kv/data/k", "ns", "t")


async def test_the_shape_of_an_aws_login(recorder, open_vault, credentials):
    """A GetCallerIdentity request, signed with Signature Version 4 for the region and bound to the server's id."""
    credentials.add("aws", id="AKIATESTTESTTEST", key="secret-key-secret-key")
    keys = {
        "accessKeyIDSecretRef": {"name": "aws", "key": "id"}, "secretAccessKeySecretRef": {"name": "aws", "key": "key"},
    }  # fmt: skip
    iam = {"vaultRole": "dev", "region": "eu-west-1", "vaultAwsIamServerID": "vault.example.com", "secretRef": keys}
    store = await open_vault({"iam": iam}, server=recorder.url)
    assert (await store.get(Reference("k", "v"))).value == b"there"
    _, path, _, body = recorder.asked[0]
    assert (path, body["role"], body["iam_http_request_method"]) == ("/v1/auth/aws/login", "dev", "POST")
    headers = json.loads(base64.b64decode(body["iam_request_headers"]))
    assert headers["X-Vault-AWS-IAM-Server-ID"] == ["vault.example.com"]
    assert "Credential=AKIATESTTESTTEST/" in headers["Authorization"][0]
    assert "/eu-west-1/sts/aws4_request" in headers["Authorization"][0]
    assert b"GetCallerIdentity" in base64.b64decode(body["iam_request_body"])
    assert leaks(json.dumps(recorder.asked), ["secret-key-secret-key"]) == []


async def test_an_aws_login_with_a_role(recorder, moto, open_vault, credentials):
    """It is assumed first; what signs are its keys, with its session token."""
    credentials.add("aws", id="AKIATESTTESTTEST", key="secret-key-secret-key")
    keys = {
        "accessKeyIDSecretRef": {"name": "aws", "key": "id"}, "secretAccessKeySecretRef": {"name": "aws", "key": "key"},
    }  # fmt: skip
    role = "arn:aws:iam::123456789012:role/vault"
    iam = {"vaultRole": "dev", "region": "eu-west-1", "role": role, "externalID": "ext", "secretRef": keys}
    store = await open_vault({"iam": iam}, server=recorder.url)
    assert (await store.get(Reference("k", "v"))).value == b"there"
    (assumed,) = moto.asked("AssumeRole")
    assert (assumed["RoleArn"], assumed["ExternalId"]) == (role, "ext")
    headers = json.loads(base64.b64decode(recorder.asked[0][3]["iam_request_headers"]))
    assert "Credential=ASIA" in headers["Authorization"][0]
    assert headers["X-Amz-Security-Token"][0]


async def test_an_aws_login_as_govgate_itself_is_for_cluster_stores(moto, open_vault, secret):
    """A SecretStore has to bring keys, or a service account."""
    store = await open_vault({"iam": {"vaultRole": "dev"}})
    with pytest.raises(MisconfiguredError, match="only a ClusterSecretStore reads as govgate itself"):
        await store.get(secret)
