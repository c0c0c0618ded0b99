"""Azure as the tests need it, over TLS: what gives tokens, and one Key Vault; both refuse what Azure does.

Messages are those of Azure's own client libraries. A vault challenges who comes without a token, and takes only tokens
that were given here, for its resource; names, versions, sizes, API versions and deletion are as the published API has them.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
import ssl
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from support.pki import Authority

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "66666666-7777-8888-9999-000000000000"
RESOURCE = "https://vault.azure.net"
_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}\Z")
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_PAGE = 25
_MAX_VALUE = 25_600


@dataclass
class _Version:
    value: Any
    tags: dict[str, str]
    enabled: bool = True
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))


class Azure:
    """See the module. ``asked`` are the requests to the vault; ``refuse`` is what to answer before anything else."""

    def __init__(self, authority: Authority, directory: Path) -> None:
        self.kinds: dict[str, dict[str, list[_Version]]] = {"secrets": {}, "keys": {}, "certificates": {}}
        self.deleted: dict[str, list[_Version]] = {}
        self.client_secret = "the-Client-Secret-Yq64/+"
        self.assertions: set[str] = set()
        self.tokens: set[str] = set()
        self.denied: set[str] = set()
        self.refuse: list[web.Response] = []
        self.asked: list[str] = []
        self.logins: list[dict[str, Any]] = []
        self.life = 3600
        self._files = authority.issue_to(directory, "azure")

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/{tenant}/oauth2/v2.0/token", self._login)
        vault = {
            ("GET", "/{kind}"): self._list, ("GET", "/{kind}/{name}/"): self._get, ("GET", "/{kind}/{name}"): self._get,
            ("GET", "/{kind}/{name}/{version}"): self._get, ("PUT", "/secrets/{name}"): self._set,
            ("DELETE", "/secrets/{name}"): self._delete, ("GET", "/deletedsecrets/{name}"): self._get_deleted,
            ("POST", "/deletedsecrets/{name}/recover"): self._recover,
        }  # fmt: skip
        # What was deleted comes first: its path could be that of a kind.
        for (method, path), handler in sorted(vault.items(), key=lambda item: "{kind}" in item[0][1]):
            app.router.add_route(method, path, functools.partial(self._admit, handler))
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self._files)
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context).start()
        self.url = f"https://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    def add(self, name: str, *values: Any, kind: str = "secrets", tags: dict[str, str] | None = None) -> list[str]:
        """An object with these versions; their names."""
        versions = self.kinds[kind].setdefault(name, [])
        versions += [_Version(value, tags or {}) for value in values]
        return [version.id for version in versions]

    # Tokens

    async def _login(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        self.logins.append(form)
        if request.match_info["tenant"] != TENANT:
            return _refused("invalid_request", f"AADSTS90002: Tenant '{request.match_info['tenant']}' not found.")
        if form.get("grant_type") != "client_credentials" or form.get("scope") != f"{RESOURCE}/.default":
            return _refused("invalid_scope", "AADSTS70011: The provided value for 'scope' is not valid.")
        if form.get("client_id") != CLIENT:
            return _refused("unauthorized_client", "AADSTS700016: Application was not found in the directory.")
        if "client_assertion" in form:
            if form.get("client_assertion_type") != _ASSERTION or not self._vouched(form["client_assertion"]):
                said = f"AADSTS700027: Client assertion {form['client_assertion']} contains an invalid signature."
                return _refused("invalid_client", said)
        elif form.get("client_secret") != self.client_secret:
            return _refused("invalid_client", f"AADSTS7000215: Invalid client secret {form.get('client_secret')}.")
        token = f"azure-Token-{uuid.uuid4().hex}"
        self.tokens.add(token)
        return web.json_response({"token_type": "Bearer", "expires_in": self.life, "access_token": token})

    def _vouched(self, assertion: str) -> bool:
        """One that was registered, or that is signed with the key of the certificate, for this address."""
        if assertion in self.assertions:
            return True
        certificate, key = client_certificate()
        try:
            header, claims = (json.loads(_unpadded(part)) for part in assertion.split(".")[:2])
            body, _, signature = assertion.rpartition(".")
            thumb = _unpadded(header.get("x5t#S256") or header["x5t"])
            if header["alg"] == "PS256":
                pad: Any = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
            else:
                pad = padding.PKCS1v15()
            key.public_key().verify(_unpadded(signature), body.encode(), pad, hashes.SHA256())
        except (ValueError, KeyError, InvalidSignature):
            return False
        der = certificate.public_bytes(serialization.Encoding.DER)
        known = {hashlib.sha256(der).digest(), hashlib.sha1(der, usedforsecurity=False).digest()}
        right = claims["iss"] == claims["sub"] == CLIENT and claims["aud"] == f"{self.url}/{TENANT}/oauth2/v2.0/token"
        return thumb in known and right and claims["exp"] > time.time()

    # The vault

    async def _admit(self, handler: Any, request: web.Request) -> web.Response:
        kind = request.match_info.get("kind") or request.path.split("/")[1]
        if kind not in (*self.kinds, "deletedsecrets"):
            raise web.HTTPNotFound
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and self.refuse:
            return self.refuse.pop(0)
        if token not in self.tokens:
            challenge = f'Bearer authorization="{self.url}/{TENANT}", resource="{RESOURCE}"'
            response = _error(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.")
            response.headers["WWW-Authenticate"] = challenge
            return response
        self.asked.append(f"{request.method} {request.path}")
        if not re.match(r"(7\.\d|20\d\d-\d\d-\d\d)(-preview\.\d)?\Z", request.query.get("api-version", "")):
            return _error(400, "BadParameter", "api-version is not specified or not supported")
        name = request.match_info.get("name", "x")
        if not _NAME.match(name):
            return _error(400, "BadParameter", f"The request URI contains an invalid name: {name}")
        if f"{request.method} {kind}" in self.denied:
            return _error(
                403, "Forbidden", f"The user, group or application 'appid={CLIENT}' does not have permission."
            )
        return await handler(request)

    async def _get(self, request: web.Request) -> web.Response:
        kind, name, wanted = (request.match_info.get(part, "") for part in ("kind", "name", "version"))
        versions = self.kinds[kind].get(name, [])
        found = next((v for v in versions if v.id == wanted), None) if wanted else (versions or [None])[-1]
        if found is None:
            code, what = {"secrets": ("SecretNotFound", "secret"), "keys": ("KeyNotFound", "key")}.get(
                kind, ("CertificateNotFound", "certificate")
            )
            return _error(404, code, f"A {what} with (name/id) {name}/{wanted} was not found in this key vault.")
        if not found.enabled:
            return _error(403, "Forbidden", "Operation get is not allowed on a disabled secret.")
        return web.json_response(self._bundle(kind, name, found))

    def _bundle(self, kind: str, name: str, version: _Version) -> dict[str, Any]:
        at = f"{self.url}/{kind}/{name}/{version.id}"
        about = {
            "attributes": {"enabled": version.enabled, "created": version.created, "updated": version.created},
            "tags": version.tags,
        }  # fmt: skip
        if kind == "keys":
            return {"key": {"kid": at, **version.value}, **about}
        if kind == "certificates":
            return {"id": at, "cer": base64.b64encode(version.value).decode(), **about}
        return {"id": at, "value": version.value, **about}

    async def _list(self, request: web.Request) -> web.Response:
        kind, start = request.match_info["kind"], int(request.query.get("$skiptoken", 0))
        found = [
            {"id": f"{self.url}/{kind}/{name}", "tags": versions[-1].tags,
             "attributes": {"enabled": versions[-1].enabled, "created": versions[-1].created}}
            for name, versions in sorted(self.kinds[kind].items())
        ]  # fmt: skip
        more = f"{self.url}/{kind}?api-version={request.query['api-version']}&$skiptoken={start + _PAGE}"
        return web.json_response({
            "value": found[start : start + _PAGE], "nextLink": more if start + _PAGE < len(found) else None,
        })  # fmt: skip

    async def _set(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await request.json()
        if name in self.deleted:
            said = f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused."
            return _error(409, "Conflict", said, inner="ObjectIsDeletedButRecoverable")
        if not isinstance(body.get("value"), str) or len(body["value"]) > _MAX_VALUE:
            return _error(400, "BadParameter", "The value of the secret is missing or too long.")
        version = _Version(body["value"], body.get("tags") or {})
        self.kinds["secrets"].setdefault(name, []).append(version)
        return web.json_response(self._bundle("secrets", name, version))

    async def _delete(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.kinds["secrets"]:
            return _error(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        self.deleted[name] = self.kinds["secrets"].pop(name)
        return web.json_response(self._deleted(name))

    async def _get_deleted(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.deleted:
            return _error(404, "SecretNotFound", f"Deleted Secret not found: {name}")
        return web.json_response(self._deleted(name))

    async def _recover(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.deleted:
            return _error(404, "SecretNotFound", f"Deleted Secret not found: {name}")
        self.kinds["secrets"][name] = self.deleted.pop(name)
        return web.json_response(self._bundle("secrets", name, self.kinds["secrets"][name][-1]))

    def _deleted(self, name: str) -> dict[str, Any]:
        bundle = self._bundle("secrets", name, self.deleted[name][-1])
        now = int(time.time())
        recovery = {"recoveryId": f"{self.url}/deletedsecrets/{name}", "deletedDate": now}
        return {**bundle, **recovery, "scheduledPurgeDate": now + 86_400}


@functools.cache
def client_certificate() -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    """That of the service principal; one for all tests, as its key takes a while to find."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "principal")])
    now = datetime.now(UTC)
    day = timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    return made.sign(key, hashes.SHA256()), key


def client_pem() -> bytes:
    """The same, with its key, as a Secret holds it."""
    certificate, key = client_certificate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem + certificate.public_bytes(serialization.Encoding.PEM)


def _refused(code: str, said: str) -> web.Response:
    return web.json_response({"error": code, "error_description": said, "error_codes": [7000215]}, status=401)


def _error(status: int, code: str, said: str, *, inner: str = "") -> web.Response:
    error = {"code": code, "message": said, **({"innererror": {"code": inner}} if inner else {})}
    return web.json_response({"error": error}, status=status)


def _unpadded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
