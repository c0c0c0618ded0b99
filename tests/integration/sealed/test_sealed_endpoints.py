"""The controller's HTTP interface, asked by the real kubeseal and by govgate itself."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from support.sealing import NOW, PLAINTEXT, certificate_pem, encoded, key_pem, key_secret, private_key, read_sealed
from support.tools import tool

from gateway.cli.app import run
from gateway_secrets.sealed.endpoints import MAX_BODY_BYTES, MAX_VALUES, Endpoints
from gateway_secrets.sealed.keyring import KeyRing, ring_of
from gateway_secrets.sealed.scope import Scope
from gateway_secrets.sealed.sealing import unseal_values

PROXY = "/api/v1/namespaces/kube-system/services"
SERVICE = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "sealed-secrets-controller", "namespace": "kube-system"},
    "spec": {"ports": [{"name": "http", "port": 8080}]},
}  # fmt: skip
SCOPES = [str(scope) for scope in Scope]


def keys(*names: str) -> KeyRing:
    """Keys, the last named the newest."""
    made = []
    for index, name in enumerate(names):
        pem = certificate_pem(name, since=NOW.replace(hour=index))
        made.append(key_secret(name) | {"data": {"tls.crt": encoded(pem), "tls.key": encoded(key_pem(name))}})
    return ring_of(made).ring


class Controller:
    """The endpoints on a port of the loopback interface, and again where an API server would pass requests on to them."""

    def __init__(self) -> None:
        self.ring = keys("a", "b")
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(30)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        endpoints, app, proxied = Endpoints(lambda: self.ring), web.Application(), web.Application()
        app.add_routes(endpoints.routes())
        proxied.add_routes(endpoints.routes())
        app.router.add_get(f"{PROXY}/sealed-secrets-controller", self._service)
        app.add_subapp(f"{PROXY}/http:sealed-secrets-controller:http/proxy", proxied)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def _service(self, _request: web.Request) -> web.Response:
        return web.json_response(SERVICE)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Controller]:
    """A running one with two keys, and a kubeconfig by which kubeseal finds it."""
    started = Controller()
    started.start()
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": started.url}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}],
    }  # fmt: skip
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "web"}}
    Path("secret.json").write_text(json.dumps(secret | {"stringData": {"password": PLAINTEXT, "user": "bob"}}))
    Path("old.pem").write_bytes(certificate_pem("a"))
    Path("other.pem").write_bytes(certificate_pem("c"))
    yield started
    started.stop()


BOTH = {"password": PLAINTEXT.encode(), "user": b"bob"}


def kubeseal(*words: str, given: str = "", code: int = 0) -> str:
    done = subprocess.run(
        [tool("kubeseal"), *words], input=given, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def govgate(capfd: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    ended = run(["seal", *words])
    out, err = capfd.readouterr()
    assert ended == code, err
    assert PLAINTEXT not in out + err
    return out


pytestmark = pytest.mark.servers


def test_kubeseal_seals_with_our_certificate(controller: Controller) -> None:
    """From its address, and by way of the API server; the newest key's."""
    for words in (["--cert", f"{controller.url}/v1/cert.pem"], []):
        made = json.loads(kubeseal(*words, "-f", "secret.json"))
        assert unseal_values(read_sealed(made), [private_key("b")]) == BOTH
    assert kubeseal("--fetch-cert") == keys("a", "b").newest.certificate.pem.decode()


@pytest.mark.parametrize("scope", SCOPES)
def test_kubeseal_validates(controller: Controller, scope: str) -> None:
    """What an old key opens is right; what none opens is not."""
    kubeseal("--validate", given=kubeseal("--cert", "old.pem", "--scope", scope, "-f", "secret.json"))
    kubeseal("--validate", given=kubeseal("--cert", "other.pem", "--scope", scope, "-f", "secret.json"), code=1)


@pytest.mark.parametrize("scope", SCOPES)
def test_kubeseal_re_encrypts(controller: Controller, scope: str) -> None:
    """With the newest key, for the scope it had."""
    made = json.loads(
        kubeseal("--re-encrypt", given=kubeseal("--cert", "old.pem", "--scope", scope, "-f", "secret.json"))
    )
    found = read_sealed(made)
    assert (found.scope, unseal_values(found, [private_key("b")])) == (scope, BOTH)
    kubeseal("--re-encrypt", given=kubeseal("--cert", "other.pem", "-f", "secret.json"), code=1)


def test_govgate_asks_it_too(controller: Controller, capfd) -> None:
    """The certificate, whether it opens, sealing again: comments stay, and the certificate is noted."""
    Path("new.pem").write_text(govgate(capfd, "fetch-cert", controller.url))
    govgate(capfd, "secret.json", "--cert", "old.pem", "--scope", "namespace-wide", "-w", "s.yaml")
    Path("s.yaml").write_text("# mine\n" + Path("s.yaml").read_text())
    govgate(capfd, "validate", "s.yaml", "--controller", controller.url)
    govgate(capfd, "reencrypt", "s.yaml", "--controller", controller.url, "--in-place")
    text = Path("s.yaml").read_text()
    assert text.startswith("# mine\n")
    assert unseal_values(read_sealed(yaml.safe_load(text)), [private_key("b")]) == BOTH
    govgate(capfd, "validate", "s.yaml", "--cert", "new.pem", "--fail-on", "warn")
    assert keys("a", "b").newest.certificate.fingerprint in text
    govgate(capfd, "secret.json", "--cert", f"{controller.url}/v1/cert.pem", "-w", "url.yaml")
    govgate(capfd, "secret.json", "--cert", "other.pem", "-w", "other.yaml")
    found = json.loads(govgate(capfd, "validate", "other.yaml", "--controller", controller.url, "-o", "json", code=3))
    assert [one["rule"] for one in found["findings"]] == ["sealed/opens"]
    govgate(capfd, "reencrypt", "other.yaml", "--controller", controller.url, code=1)


def test_who_cannot_be_asked_is_not_a_denial(controller: Controller, capfd) -> None:
    """Exit code 1: nobody knows. A page that is none of a controller's is no certificate."""
    govgate(capfd, "secret.json", "--cert", "old.pem", "-w", "s.yaml")
    for address in ("http://127.0.0.1:1", f"{controller.url}/nothing", "ftp://x"):
        govgate(capfd, "validate", "s.yaml", "--controller", address, code=1)
        govgate(capfd, "fetch-cert", address, code=1)
    controller.ring = keys()
    govgate(capfd, "secret.json", "--cert", f"{controller.url}/v1/cert.pem", code=1)


def sealed() -> Any:
    return json.loads(kubeseal("--cert", "old.pem", "-f", "secret.json"))


def test_templates_are_no_oracle(controller: Controller) -> None:
    """Nothing is filled in: what comes back says nothing about a value. The template itself comes back."""
    document = sealed()
    document["spec"]["template"]["data"] = {"x": '{{ fail "a" }}', "password": None}
    status, body = controller.ask("POST", "/v1/rotate", json.dumps(document).encode())
    assert status == 200
    found = read_sealed(json.loads(body))
    assert unseal_values(found, [private_key("b")]) == BOTH
    assert found.template["data"] == document["spec"]["template"]["data"]


def test_another_place_or_scope_is_not_rotated(controller: Controller) -> None:
    """Whoever can ask for it would otherwise have it sealed for where they can read it."""
    for metadata in (
        {"name": "mine"},
        {"namespace": "mine"},
        {"annotations": {"sealedsecrets.bitnami.com/cluster-wide": "true"}},
    ):
        document = sealed()
        document["metadata"] |= metadata
        status, body = controller.ask("POST", "/v1/rotate", json.dumps(document).encode())
        assert (status, PLAINTEXT.encode() in body) == (409, False)
        assert controller.ask("POST", "/v1/verify", json.dumps(document).encode())[0] == 409


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"a: *hunter2", json.dumps({"kind": "Secret"}).encode(), b"{}\n---\n{}", bytes(MAX_BODY_BYTES + 1),
     json.dumps({"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "spec": {
         "encryptedData": {f"k{n}": "AA==" for n in range(MAX_VALUES + 1)}}}).encode()],
    ids=["empty", "no json", "a list", "an alias", "a secret", "two", "large", "many"],
)  # fmt: skip
def test_what_is_no_sealed_secret_is_a_bad_request(controller: Controller, body: bytes) -> None:
    """400, one line; not 409, which says that the keys do not open it."""
    for path in ("/v1/verify", "/v1/rotate"):
        status, text = controller.ask("POST", path, body)
        assert (status, text.count(b"\n"), b"hunter2" in text) == (400, 1, False)


def test_without_a_key_it_says_so(controller: Controller) -> None:
    """503: it may have one soon."""
    document = json.dumps(sealed()).encode()
    controller.ring = keys()
    assert controller.ask("GET", "/v1/cert.pem")[0] == 503
    assert controller.ask("POST", "/v1/verify", document)[0] == 409


def test_the_certificate_by_kubeconfig(controller: Controller, capfd: pytest.CaptureFixture[str]) -> None:
    """As kubeseal gets it where none is named: through the API server's proxy of the controller's Service."""
    pem = controller.ring.newest.certificate.pem.decode()
    assert kubeseal("--fetch-cert").strip() == pem.strip()
    assert govgate(capfd, "fetch-cert") == pem
    made = json.loads(govgate(capfd, "secret.json", "-o", "json"))
    assert unseal_values(read_sealed(made), [private_key("b")]) == BOTH
    asked = ("fetch-cert", "--controller-name", "other", "--kubeconfig", "kubeconfig")
    assert run(["seal", *asked]) == 1
    error = capfd.readouterr().err
    assert "Service kube-system/other: 404" in error
    assert "--controller-name" in error
