"""Google Cloud as the tests need it: Secret Manager over gRPC, and what gives tokens over HTTP; both refuse what Google does.

Messages are those of Google's own client library. Who has no token that was given here, or signed with a registered key,
is not let in; names, labels, sizes, versions and the routing header are checked as the published API has them.
"""

from __future__ import annotations

import base64
import functools
import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import grpc
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.cloud import secretmanager_v1 as api
from google.protobuf import empty_pb2
from support.pki import Authority

PROJECT = "tests"
NUMBER = "4711"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
AUDIENCE = "//iam.googleapis.com/projects/4711/locations/global/workloadIdentityPools/pool/providers/kube"
_SERVICE = "/google.cloud.secretmanager.v1.SecretManagerService/"
_ID = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}\Z")
_MAX_PAYLOAD = 65_536
_Code = grpc.StatusCode


@dataclass
class _Version:
    data: bytes
    state: api.SecretVersion.State = api.SecretVersion.State.ENABLED
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class _Secret:
    labels: dict[str, str]
    annotations: dict[str, str]
    versions: list[_Version] = field(default_factory=list)


class _Refused(Exception):  # noqa: N818 - an answer
    def __init__(self, code: grpc.StatusCode, said: str) -> None:
        super().__init__(said)
        self.code, self.said = code, said


class Gcp(grpc.GenericRpcHandler):
    """See the module. ``asked`` are the methods that were called; ``refuse`` is what to answer before anything else."""

    def __init__(self, authority: Authority, directory: Path) -> None:
        self.secrets: dict[str, _Secret] = {}
        self.tokens: set[str] = set()
        self.keys: dict[str, rsa.RSAPublicKey] = {}
        self.denied: set[str] = set()
        self.refuse: list[tuple[grpc.StatusCode, str]] = []
        self.asked: list[str] = []
        self.exchanged: list[dict[str, Any]] = []
        self.subject_token = ""
        self._files = authority.issue_to(directory, "gcp")

    async def start(self) -> None:
        pair = [(self._files[1].read_bytes(), self._files[0].read_bytes())]
        self._server = grpc.aio.server()
        port = self._server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(pair))
        self._server.add_generic_rpc_handlers((self,))
        await self._server.start()
        self.url = f"https://127.0.0.1:{port}/"
        app = web.Application()
        app.router.add_post("/v1/token", self._exchange)
        app.router.add_post("/v1/identitybindingtoken", self._bind)
        app.router.add_post("/v1/projects/-/serviceAccounts/{name}", self._impersonate)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.token_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def stop(self) -> None:
        await self._server.stop(None)
        await self._runner.cleanup()

    def account_key(self, email: str = "robot@tests.iam.gserviceaccount.com") -> dict[str, str]:
        """The JSON of a key of a service account, which is let in from now on."""
        key = _key(email)
        self.keys[email] = key.public_key()
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account", "project_id": PROJECT, "private_key_id": "k1", "private_key": pem.decode(),
            "client_email": email, "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token",
        }  # fmt: skip

    def add(self, key: str, *values: bytes, labels: dict[str, str] | None = None, location: str = "") -> None:
        """A secret with these versions."""
        place = f"projects/{NUMBER}" + (f"/locations/{location}" if location else "")
        secret = self.secrets.setdefault(f"{place}/secrets/{key}", _Secret(labels or {}, {"note": "n"}))
        secret.versions += [_Version(value) for value in values]

    def disable(self, key: str, number: int) -> None:
        """A version that may not be read any more."""
        self.secrets[f"projects/{NUMBER}/secrets/{key}"].versions[number - 1].state = api.SecretVersion.State.DISABLED

    # Secret Manager

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        method = details.method.removeprefix(_SERVICE)
        if method not in _METHODS or not details.method.startswith(_SERVICE):
            return None
        kind, answer, act = _METHODS[method]

        async def handle(request: Any, context: grpc.aio.ServicerContext) -> Any:
            self.asked.append(method)
            try:
                self._admit(method, request, dict(context.invocation_metadata()))
                return act(self, request)
            except _Refused as refused:
                await context.abort(refused.code, refused.said)

        return grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=kind.deserialize,
            response_serializer=answer.serialize if answer else empty_pb2.Empty.SerializeToString,
        )

    def _admit(self, method: str, request: Any, metadata: dict[str, str]) -> None:
        if self.refuse:
            raise _Refused(*self.refuse.pop(0))
        scheme, _, token = metadata.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not (token in self.tokens or self._signed(token)):
            raise _Refused(
                _Code.UNAUTHENTICATED, "Request had invalid authentication credentials. Expected OAuth 2 access token"
            )
        name = getattr(request, "name", "") or getattr(request, "parent", "")
        field_name = "name" if getattr(request, "name", "") else "parent"
        if unquote(metadata.get("x-goog-request-params", "")) != f"{field_name}={name}":
            raise _Refused(_Code.INVALID_ARGUMENT, "the routing header does not match the request")
        if not name.startswith((f"projects/{PROJECT}", f"projects/{NUMBER}")) or method in self.denied:
            raise _Refused(_Code.PERMISSION_DENIED, f"Permission denied on resource {name} (or it may not exist).")

    def _signed(self, token: str) -> bool:
        try:
            header, claims = (json.loads(_unpadded(part)) for part in token.split(".")[:2])
            body, _, signature = token.rpartition(".")
            key = self.keys[claims["sub"]]
            key.verify(_unpadded(signature), body.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, KeyError, InvalidSignature):
            return False
        now = time.time()
        lasts = claims["iat"] <= now + 60 and now < claims["exp"] <= claims["iat"] + 3600
        return header["alg"] == "RS256" and header["kid"] == "k1" and lasts and claims["scope"] == SCOPE

    def _named(self, name: str) -> tuple[str, _Secret]:
        whole = name.replace(f"projects/{PROJECT}", f"projects/{NUMBER}", 1)
        if whole not in self.secrets:
            raise _Refused(_Code.NOT_FOUND, f"Secret [{whole}] not found or has no versions.")
        return whole, self.secrets[whole]

    def _version(self, name: str) -> tuple[str, _Version]:
        secret_name, _, wanted = name.partition("/versions/")
        whole, secret = self._named(secret_name)
        number = len(secret.versions) if wanted == "latest" else int(wanted) if wanted.isdigit() else 0
        if not 1 <= number <= len(secret.versions):
            raise _Refused(_Code.NOT_FOUND, f"Secret Version [{whole}/versions/{wanted}] not found.")
        return f"{whole}/versions/{number}", secret.versions[number - 1]

    def access(self, request: Any) -> Any:
        name, version = self._version(request.name)
        if version.state != api.SecretVersion.State.ENABLED:
            raise _Refused(_Code.FAILED_PRECONDITION, f"Secret Version [{name}] is in {version.state.name} state.")
        return api.AccessSecretVersionResponse(name=name, payload=api.SecretPayload(data=version.data))

    def get_version(self, request: Any) -> Any:
        return _told(*self._version(request.name))

    def get(self, request: Any) -> Any:
        name, secret = self._named(request.name)
        return api.Secret(name=name, labels=secret.labels, annotations=secret.annotations)

    def list(self, request: Any) -> Any:
        if not 0 <= request.page_size <= 25_000:
            raise _Refused(_Code.INVALID_ARGUMENT, "page_size is out of range")
        parent = request.parent.replace(f"projects/{PROJECT}", f"projects/{NUMBER}", 1)
        wanted = dict(part.removeprefix("labels.").split("=") for part in request.filter.split(" AND ") if part)
        found = [
            api.Secret(name=name, labels=secret.labels)
            for name, secret in sorted(self.secrets.items())
            if name.rpartition("/secrets/")[0] == parent and wanted.items() <= secret.labels.items()
        ]
        start, size = int(request.page_token or 0), request.page_size or 25_000
        more = str(start + size) if start + size < len(found) else ""
        return api.ListSecretsResponse(secrets=found[start : start + size], next_page_token=more)

    def list_versions(self, request: Any) -> Any:
        whole, secret = self._named(request.parent)
        versions = [
            _told(f"{whole}/versions/{number}", version)
            for number, version in enumerate(secret.versions, 1)
            if request.filter != "state:ENABLED" or version.state == api.SecretVersion.State.ENABLED
        ]
        return api.ListSecretVersionsResponse(versions=versions[::-1])

    def create(self, request: Any) -> Any:
        regional, secret = "/locations/" in request.parent, request.secret
        if not _ID.match(request.secret_id):
            raise _Refused(_Code.INVALID_ARGUMENT, "secret_id has to match [a-zA-Z0-9-_]{1,255}")
        if regional == ("replication" in secret):
            raise _Refused(_Code.INVALID_ARGUMENT, "replication has to be set for global secrets, and for no others")
        if not all(_LABEL_KEY.match(k) and _LABEL_VALUE.match(v) for k, v in secret.labels.items()):
            raise _Refused(_Code.INVALID_ARGUMENT, "a label is none")
        name = f"{request.parent}/secrets/{request.secret_id}".replace(f"projects/{PROJECT}", f"projects/{NUMBER}", 1)
        if name in self.secrets:
            raise _Refused(_Code.ALREADY_EXISTS, f"Secret [{name}] already exists.")
        self.secrets[name] = _Secret(dict(secret.labels), {})
        return api.Secret(name=name, labels=secret.labels)

    def add_version(self, request: Any) -> Any:
        whole, secret = self._named(request.parent)
        if not 0 < len(request.payload.data) <= _MAX_PAYLOAD:
            raise _Refused(_Code.INVALID_ARGUMENT, f"The payload has to be 1 to {_MAX_PAYLOAD} bytes.")
        secret.versions.append(_Version(request.payload.data))
        return _told(f"{whole}/versions/{len(secret.versions)}", secret.versions[-1])

    def delete(self, request: Any) -> Any:
        whole, _ = self._named(request.name)
        del self.secrets[whole]
        return empty_pb2.Empty()

    # Tokens

    async def _exchange(self, request: web.Request) -> web.Response:
        """RFC 8693, at Google's STS."""
        form = dict(await request.post())
        self.exchanged.append(form)
        right = (
            form.get("grant_type") == "urn:ietf:params:oauth:grant-type:token-exchange"
            and form.get("audience") == AUDIENCE
            and form.get("subject_token_type") == "urn:ietf:params:oauth:token-type:jwt"
            and form.get("requested_token_type") == "urn:ietf:params:oauth:token-type:access_token"
        )
        if not right:
            return web.json_response({"error": "invalid_request", "error_description": "Invalid value"}, status=400)
        if self.subject_token and form["subject_token"] != self.subject_token:
            said = f"The token {form['subject_token']} is not valid"
            return web.json_response({"error": "invalid_grant", "error_description": said}, status=400)
        return self._given("federated", request)

    async def _bind(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.exchanged.append(body)
        pool = f"identitynamespace:{PROJECT}.svc.id.goog:https://container.googleapis.com/v1/projects/{PROJECT}/"
        if not str(body.get("audience")).startswith(pool) or body.get("scope") != SCOPE:
            return web.json_response({"error": "invalid_target"}, status=400)
        return self._given("bound", request)

    def _given(self, kind: str, _request: web.Request) -> web.Response:
        token = f"{kind}-{len(self.tokens)}-token"
        self.tokens.add(token)
        return web.json_response({
            "access_token": token, "token_type": "Bearer", "expires_in": 3600,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        })  # fmt: skip

    async def _impersonate(self, request: web.Request) -> web.Response:
        name, _, action = request.match_info["name"].partition(":")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if action != "generateAccessToken" or token not in self.tokens:
            return web.json_response({"error": {"code": 401, "status": "UNAUTHENTICATED"}}, status=401)
        if (await request.json()).get("scope") != [SCOPE]:
            return web.json_response({"error": {"code": 400, "status": "INVALID_ARGUMENT"}}, status=400)
        given = f"impersonated-{name}-{len(self.tokens)}"
        self.tokens.add(given)
        ends = datetime.fromtimestamp(time.time() + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return web.json_response({"accessToken": given, "expireTime": ends})


@functools.cache
def _key(_email: str) -> rsa.RSAPrivateKey:
    """One for all tests: it takes a while to find."""
    return rsa.generate_private_key(65537, 2048)


def _unpadded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _told(name: str, version: _Version) -> Any:
    return api.SecretVersion(name=name, state=version.state, create_time=version.created)


_METHODS: dict[str, tuple[Any, Any, Any]] = {
    "AccessSecretVersion": (api.AccessSecretVersionRequest, api.AccessSecretVersionResponse, Gcp.access),
    "GetSecretVersion": (api.GetSecretVersionRequest, api.SecretVersion, Gcp.get_version),
    "GetSecret": (api.GetSecretRequest, api.Secret, Gcp.get),
    "ListSecrets": (api.ListSecretsRequest, api.ListSecretsResponse, Gcp.list),
    "ListSecretVersions": (api.ListSecretVersionsRequest, api.ListSecretVersionsResponse, Gcp.list_versions),
    "CreateSecret": (api.CreateSecretRequest, api.Secret, Gcp.create),
    "AddSecretVersion": (api.AddSecretVersionRequest, api.SecretVersion, Gcp.add_version),
    "DeleteSecret": (api.DeleteSecretRequest, None, Gcp.delete),
}
