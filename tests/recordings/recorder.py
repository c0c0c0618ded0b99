"""A webhook that allows everything and remembers what it was asked."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from support.cluster import Cluster, wait_for
from support.pki import Authority
from support.users import ROOT

Json = dict[str, Any]

_REGISTRATION = "recorder.govgate.dev"
_PROBE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "recorder-probe"}}


class Recorder:
    """The reviews of all requests since :meth:`clear`, in the order in which they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reviews: list[Json] = []

    def add(self, review: Json) -> None:
        with self._lock:
            self._reviews.append(review)

    def clear(self) -> None:
        with self._lock:
            self._reviews.clear()

    def reviews(self) -> list[Json]:
        with self._lock:
            return list(self._reviews)


@contextmanager
def listening(directory: Path) -> Iterator[tuple[Recorder, str, Path]]:
    """The webhook's server alone: what it records, its URL, and the file of the authority that it is trusted by."""
    authority = Authority("govgate tests: recorder")
    ca_file = directory / "recorder-ca.crt"
    ca_file.write_bytes(authority.pem)
    recorder = Recorder()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(recorder))
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue_to(directory, "recorder"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, name="recorder", daemon=True)
    thread.start()
    try:
        yield recorder, f"https://127.0.0.1:{server.server_port}/", ca_file
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def recording(cluster: Cluster, directory: Path) -> Iterator[Recorder]:
    """Record every admission review of the cluster while the context lasts."""
    root = cluster.api(ROOT)
    with listening(directory) as (recorder, url, ca_file):
        registration = root.create(_registration(url, ca_file.read_bytes()))
        try:
            wait_for(lambda: _heard(cluster, recorder))
            yield recorder
        finally:
            root.delete(registration)


def _heard(cluster: Cluster, recorder: Recorder) -> bool:
    """Whether the API server asks already: it learns of a registration some moments after it was created."""
    cluster.api(ROOT).apply(_PROBE, manager="tests")
    return bool(recorder.reviews())


def _registration(url: str, authority: bytes) -> Json:
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "scope": "*"}
    webhook = {
        "name": _REGISTRATION,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "timeoutSeconds": 10,
        "failurePolicy": "Fail",
        "clientConfig": {"url": url, "caBundle": base64.b64encode(authority).decode()},
        "rules": [{"operations": ["CREATE", "UPDATE", "DELETE"], **everything}],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": _REGISTRATION},
        "webhooks": [webhook],
    }


def _handler_for(recorder: Recorder) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            recorder.add(review)
            response = {"uid": review["request"]["uid"], "allowed": True}
            answer = {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    return Handler
