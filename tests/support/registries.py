"""Registries of the tests: a real one as a process, and one on the event loop that can misbehave."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import io
import json
import re
import ssl
import tarfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from support.processes import Server, free_port
from support.tools import tool

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
FLUX_CONFIG = "application/vnd.cncf.flux.config.v1+json"
FLUX_CONTENT = "application/vnd.cncf.flux.content.v1.tar+gzip"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def descriptor(data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}


def archive(files: Mapping[str, bytes]) -> bytes:
    """A .tar.gz, the same bytes each time."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(made.getvalue(), mtime=0)


class RealRegistry:
    """go-containerregistry's, in a process; with the referrers API or without."""

    def __init__(self, folder: Path, *, referrers: bool = True) -> None:
        self.host = f"127.0.0.1:{free_port()}"
        self._log = folder / f"registry-{self.host.rpartition(':')[2]}.log"
        command = [tool("registry"), "-address", self.host, f"-referrers={str(referrers).lower()}"]
        self._server = Server("registry", command, self._log)

    def start(self) -> RealRegistry:
        self._server.start()
        self._server.wait_until(lambda: self.host in self._server.log_tail())
        return self

    def stop(self) -> None:
        self._server.kill()

    def requests(self) -> list[str]:
        """Every request so far, such as ``GET /v2/``."""
        return self._log.read_text().splitlines()[1:]


async def push(
    host: str,
    repository: str,
    tag: str,
    layers: Mapping[str, bytes] | list[tuple[bytes, dict[str, Any]]],
    *,
    config: bytes = b"{}",
    config_type: str = FLUX_CONFIG,
    layer_type: str = FLUX_CONTENT,
    **more: Any,
) -> str:
    """Push an artifact by plain HTTP; its digest. ``layers``: files of one archive, or blobs with their descriptors."""
    if isinstance(layers, Mapping):
        content = archive(layers)
        layers = [(content, descriptor(content, layer_type))]
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(config, config_type),
        "layers": [entry for _, entry in layers],
        **more,
    }
    body = json.dumps(manifest).encode()
    async with aiohttp.ClientSession() as session:
        for blob in (config, *(data for data, _ in layers)):
            await push_blob(session, host, repository, blob)
        await push_manifest(session, host, repository, tag or digest_of(body), body=body, media_type=OCI_MANIFEST)
    return digest_of(body)


async def push_blob(session: aiohttp.ClientSession, host: str, repository: str, data: bytes) -> None:
    async with session.post(f"http://{host}/v2/{repository}/blobs/uploads/") as begun:
        location = begun.headers["Location"]
    url = location if location.startswith("http") else f"http://{host}{location}"
    separator = "&" if "?" in url else "?"
    async with session.put(f"{url}{separator}digest={digest_of(data)}", data=data) as done:
        assert done.status == 201, await done.text()


async def push_manifest(
    session: aiohttp.ClientSession, host: str, repository: str, reference: str, *, body: bytes, media_type: str
) -> None:
    url = f"http://{host}/v2/{repository}/manifests/{reference}"
    async with session.put(url, data=body, headers={"Content-Type": media_type}) as done:
        assert done.status == 201, await done.text()


async def copy_tag(repository: str, source: str, target: str) -> None:
    """Give a manifest another tag, as somebody would who moves a signature to another artifact."""
    host, _, name = repository.partition("/")
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{host}/v2/{name}/manifests/{source}") as got:
            body, media_type = await got.read(), got.headers["Content-Type"]
        await push_manifest(session, host, name, target, body=body, media_type=media_type)


class FaultyRegistry:
    """A registry on loopback that answers well, but where a test says otherwise.

    ``faults``: pairs of a pattern over method and path, and a handler that answers instead; the first that matches.
    ``token`` and ``password``: what it wants to see; ``requests``: every request, with its Authorization;
    ``shown``: with each, the common name of the client's certificate, where TLS asks for one.
    """

    def __init__(self) -> None:
        self.manifests: dict[str, tuple[bytes, str]] = {}
        self.blobs: dict[str, bytes] = {}
        self.referrers: dict[str, list[dict[str, Any]]] | None = {}
        self.faults: list[tuple[str, Handler]] = []
        self.token = ""
        self.password = ""
        self.requests: list[tuple[str, str]] = []
        self.shown: list[str] = []
        self.host = ""
        self._scheme = "http"

    @property
    def counts(self) -> Counter[str]:
        return Counter(line for line, _ in self.requests)

    def add_blob(self, data: bytes) -> str:
        self.blobs[digest_of(data)] = data
        return digest_of(data)

    def add_manifest(self, document: Mapping[str, Any], *tags: str) -> str:
        body = json.dumps(document).encode()
        media_type = str(document.get("mediaType", OCI_MANIFEST))
        for name in (digest_of(body), *tags):
            self.manifests[name] = (body, media_type)
        return digest_of(body)

    def add_artifact(self, *tags: str, files: Mapping[str, bytes] | None = None) -> str:
        """A Flux artifact; its digest."""
        content = archive(files or {"a.yaml": b"kind: Namespace\n"})
        self.add_blob(content)
        self.add_blob(b"{}")
        config, layer = descriptor(b"{}", FLUX_CONFIG), descriptor(content, FLUX_CONTENT)
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]}
        return self.add_manifest(document, *tags)

    def add_referrer(self, subject: str, payload: bytes, media_type: str = BUNDLE) -> str:
        """A referrer with one layer; its digest."""
        self.add_blob(payload)
        body, kind = self.manifests[subject]
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": media_type,
            "config": descriptor(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [descriptor(payload, media_type)],
            "subject": descriptor(body, kind),
        }
        digest = self.add_manifest(document)
        listed = descriptor(self.manifests[digest][0], OCI_MANIFEST, artifactType=media_type)
        if self.referrers is not None:
            self.referrers.setdefault(subject, []).append(listed)
        return digest

    @asynccontextmanager
    async def serve(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[FaultyRegistry]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        self._scheme = "https" if tls is not None else "http"
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self.host = f"127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        line = f"{request.method} {request.path}"
        self.requests.append((line, request.headers.get("Authorization", "")))
        certificate = (request.transport.get_extra_info("peercert") if request.transport else None) or {}
        self.shown.append("".join(value for ((_, value),) in certificate.get("subject", ())))
        for pattern, handler in self.faults:
            if re.search(pattern, line):
                return await handler(request)
        if request.path == "/token":
            return self._give_token(request)
        return self._guarded(request) or self._serve(request)

    def _give_token(self, request: web.Request) -> web.Response:
        basic = "Basic " + base64.b64encode(f"robot:{self.password}".encode()).decode()
        if self.password and request.headers.get("Authorization") != basic:
            return web.Response(status=401, text="no")
        return web.json_response({"token": self.token, "expires_in": 300})

    def _guarded(self, request: web.Request) -> web.Response | None:
        seen = request.headers.get("Authorization", "")
        if self.token and seen != f"Bearer {self.token}":
            challenge = (
                f'Bearer realm="{self._scheme}://{self.host}/token",service="test",scope="repository:other:push"'
            )
            return web.Response(status=401, headers={"WWW-Authenticate": challenge}, text="x" * 500)
        basic = "Basic " + base64.b64encode(f"robot:{self.password}".encode()).decode()
        if self.password and not self.token and seen != basic:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="test"'})
        return None

    def _serve(self, request: web.Request) -> web.Response:
        kind, _, name = request.path.rpartition("/")
        if kind.endswith("/manifests") and name in self.manifests:
            body, media_type = self.manifests[name]
            return web.Response(body=body, headers={"Content-Type": media_type})
        if kind.endswith("/blobs") and name in self.blobs:
            return web.Response(body=self.blobs[name])
        if kind.endswith("/referrers") and self.referrers is not None:
            document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.referrers.get(name, [])}
            return web.Response(body=json.dumps(document).encode(), headers={"Content-Type": OCI_INDEX})
        return web.json_response({"errors": []}, status=404)


def respond(status: int = 200, body: bytes = b"", **headers: str) -> Handler:
    """Answers so."""

    async def handler(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return handler


def once(handler: Handler, registry: FaultyRegistry) -> Handler:
    """Answers so the first time; then well."""
    asked = Counter[str]()

    async def first(request: web.Request) -> web.StreamResponse:
        asked["n"] += 1
        return await handler(request) if asked["n"] == 1 else registry._serve(request)

    return first


async def cut_short(request: web.Request) -> web.StreamResponse:
    """Says 1000 bytes, sends ten, and closes."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"0123456789")
    assert request.transport is not None
    request.transport.close()
    return response


async def stall(request: web.Request) -> web.StreamResponse:
    """Sends the head, then nothing."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await asyncio.sleep(30)
    return response
