"""What becomes of requests, good and bad, on real connections."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.gateway import JSON, Gateway, eventually, review

LIMITS = {"bodyBytes": 65_536, "headerSeconds": 1.0, "bodySeconds": 1.0, "connections": 8}
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    one = Gateway(tmp_path_factory.mktemp("requests"), settings={"limits": LIMITS}).start()
    yield one
    one.kill()


def changed(**request: object) -> bytes:
    document = json.loads(review())
    document["request"].update(request)
    return json.dumps(document).encode()


def without_uid() -> bytes:
    document = json.loads(review())
    del document["request"]["uid"]
    return json.dumps(document).encode()


MALFORMED = {
    "no content type": (review(), {}, 415, "content-type"),
    "another content type": (review(), {"Content-Type": "text/plain"}, 415, "content-type"),
    "compressed": (review(), {**JSON, "Content-Encoding": "gzip"}, 415, "content-encoding"),
    "empty": (b"", JSON, 400, "review"),
    "not JSON": (b"kind: AdmissionReview", JSON, 400, "review"),
    "not an object": (b"[]", JSON, 400, "review"),
    "not UTF-8": (b'{"kind": "\xff"}', JSON, 400, "review"),
    "nested too deeply": (b"[" * 60_000, JSON, 400, "review"),
    "object nested too deeply": (review().replace(b'{"a": ""}', b"[" * 30_000 + b"]" * 30_000), JSON, 400, "review"),
    "another version": (review().replace(b"admission.k8s.io/v1", b"admission.k8s.io/v1beta1"), JSON, 400, "review"),
    "another kind": (review().replace(b"AdmissionReview", b"ConversionReview"), JSON, 400, "review"),
    "no request": (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}', JSON, 400, "review"),
    "no uid": (without_uid(), JSON, 400, "review"),
    "empty uid": (changed(uid=""), JSON, 400, "review"),
    "unknown operation": (changed(operation="PATCH"), JSON, 400, "review"),
    "object that is none": (changed(object="text"), JSON, 400, "review"),
    "too large": (review(size=70_000), JSON, 413, "size"),
}


@pytest.mark.parametrize(("body", "headers", "status", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_malformed(server: Gateway, body: bytes, headers: dict[str, str], status: int, reason: str) -> None:
    """A malformed request has its status, a JSON error with a reason, its count, and the worker serves on."""
    before = server.metric(f'govgate_admission_malformed_total{{reason="{reason}"}}')
    answer = server.ask(body, headers=headers)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json()) == {"error", "reason"}
    assert answer.json()["reason"] == reason
    assert server.metric(f'govgate_admission_malformed_total{{reason="{reason}"}}') == before + 1
    assert server.ask(review("next")).json()["response"] == server.ask(review("next")).json()["response"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/validate", 405), ("POST", "/v1/other", 404)])
def test_wrong_method_and_path(server: Gateway, method: str, path: str, status: int) -> None:
    """Another method is answered 405 and told which is allowed, another path 404."""
    answer = server.ask(review(), method=method, path=path)
    assert answer.status == status
    assert answer.headers.get("Allow") == ("POST" if status == 405 else None)


def test_an_allowed_request(server: Gateway) -> None:
    """An allowed request is answered with an AdmissionReview of the same uid, and no library is named."""
    answer = server.ask(review("u-42"))
    assert answer.status == 200
    assert answer.json()["response"]["uid"] == "u-42"
    assert answer.json()["response"]["allowed"] is True
    assert answer.headers["Server"] == "govgate"


def test_a_recorded_denial(server: Gateway) -> None:
    """A recorded edit of a Flux-managed Deployment by a person is denied with HTTP 200 and status 403 inside."""
    lines = (REPOSITORY / "gateway/cli/demo_reviews.jsonl").read_text().splitlines()
    scenes = {scene["scene"]: scene["review"] for scene in map(json.loads, lines)}
    before = server.metric('govgate_admission_requests_total{result="denied"}')
    answer = server.ask(json.dumps(scenes["edit-image"]).encode())
    assert answer.status == 200
    assert answer.json()["response"]["allowed"] is False
    assert answer.json()["response"]["status"]["code"] == 403
    assert server.metric('govgate_admission_requests_total{result="denied"}') == before + 1


def test_some_guards_by_their_path(server: Gateway) -> None:
    """What the drift guard denies is allowed where only others are asked; the record names who was asked."""
    lines = (REPOSITORY / "gateway/cli/demo_reviews.jsonl").read_text().splitlines()
    scenes = {scene["scene"]: scene["review"] for scene in map(json.loads, lines)}
    body = json.dumps(scenes["edit-image"]).encode()
    allowed = {
        path: server.ask(body, path=f"/v1/validate/{path}?timeout=5s").json()["response"]["allowed"]
        for path in ("drift", "secrets.drift", "provenance")
    }
    assert allowed == {"drift": False, "secrets.drift": False, "provenance": True}
    assert server.ask(body, path="/v1/validate/nothing").status == 404
    named = {("break-glass", "drift"), ("break-glass", "drift", "secrets"), ("provenance", "trust-policy")}
    eventually(lambda: named <= {tuple(one["verdict"].get("guards", ())) for one in server.records()}, seconds=60)


def test_dry_runs_are_counted_apart(server: Gateway) -> None:
    """A dry run is counted as such, per guard and operation."""
    series = 'govgate_admission_decisions_total{decision="allow",dry_run="true",guard="drift",operation="UPDATE"}'
    before = server.metric(series)
    assert server.ask(changed(dryRun=True)).status == 200
    assert server.metric(series) == before + 1


def test_a_chunked_body_is_bounded_too(server: Gateway) -> None:
    """A body without Content-Length is read up to the bound, judged below it and refused above."""

    def chunks(total: int) -> Iterator[bytes]:
        body = review(size=total)
        for start in range(0, len(body), 9_000):
            yield body[start : start + 9_000]

    connection = server.connect()
    connection.request(
        "POST", "/v1/validate", chunks(30_000), {**JSON, "Transfer-Encoding": "chunked"}, encode_chunked=True
    )
    assert connection.getresponse().status == 200
    connection.close()
    connection = server.connect()
    connection.request(
        "POST", "/v1/validate", chunks(90_000), {**JSON, "Transfer-Encoding": "chunked"}, encode_chunked=True
    )
    assert connection.getresponse().status == 413
    connection.close()


def test_nonsense_timeout(server: Gateway) -> None:
    """A timeout parameter that is no duration is counted, and the request judged with the default."""
    before = server.metric("govgate_admission_invalid_timeouts_total")
    assert server.ask(review(), path="/v1/validate?timeout=soon").status == 200
    assert server.metric("govgate_admission_invalid_timeouts_total") == before + 1


def raw(server: Gateway) -> ssl.SSLSocket:
    return server.context().wrap_socket(
        socket.create_connection(("127.0.0.1", server.port), 10), server_hostname="localhost"
    )


def parse(sock: ssl.SSLSocket) -> tuple[int, dict[str, str]]:
    response = http.client.HTTPResponse(sock)
    response.begin()
    return response.status, json.loads(response.read())


def test_a_slow_body(server: Gateway) -> None:
    """A body that does not arrive in time is answered 408, while others are served."""
    with raw(server) as sock:
        sock.sendall(
            b"POST /v1/validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"
        )
        assert server.ask(review()).status == 200
        began = time.monotonic()
        status, error = parse(sock)
    assert (status, error["reason"]) == (408, "slow-body")
    assert time.monotonic() - began < 3


def test_a_slow_head(server: Gateway) -> None:
    """A head that comes byte by byte is answered 408 after its time, however steadily it comes."""
    with raw(server) as sock:
        sock.settimeout(0.1)
        began = time.monotonic()
        for byte in b"POST /v1/validate HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"x" * 100:
            sock.sendall(bytes([byte]))
            try:
                answer = sock.recv(4096)
            except TimeoutError:
                continue
            break
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"reason":"slow-head"' in answer
    assert 0.9 < time.monotonic() - began < 4


def test_no_http_at_all(server: Gateway) -> None:
    """Bytes that are no HTTP are answered 400 in JSON, and the connection is closed."""
    with raw(server) as sock:
        sock.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        status, error = parse(sock)
        assert (status, error["reason"]) == (400, "http")
        assert sock.recv(1) == b""


def test_no_tls_at_all(server: Gateway) -> None:
    """A client that speaks no TLS is closed, and others are served."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        sock.sendall(b"POST /v1/validate HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in sock.recv(100)
    assert server.ask(review()).status == 200


def test_a_handshake_that_stalls(server: Gateway) -> None:
    """A connection without a TLS handshake is closed when the time for one is over."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        began = time.monotonic()
        assert sock.recv(1) == b""
        assert time.monotonic() - began < 4


def test_a_client_that_leaves(server: Gateway) -> None:
    """A client that breaks off in the middle of a body costs nothing but its count."""
    before = server.metric('govgate_admission_malformed_total{reason="broken-body"}')
    with raw(server) as sock:
        sock.sendall(
            b"POST /v1/validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"
        )
        time.sleep(0.1)
    eventually(lambda: server.metric('govgate_admission_malformed_total{reason="broken-body"}') == before + 1)
    assert server.ask(review()).status == 200


def test_connections_are_bounded(server: Gateway) -> None:
    """One connection more than allowed is closed as it comes; when another ends there is room again."""
    held = [raw(server) for _ in range(8)]
    try:
        # A TLS 1.3 handshake is over for the client before the server knows of it.
        began = time.monotonic()
        eventually(lambda: refused(server))
        assert time.monotonic() - began < 5, "closed, not left waiting"
        assert server.metric('govgate_connections_refused_total{reason="limit"}') >= 1
    finally:
        for sock in held:
            sock.close()
    eventually(lambda: not refused(server))


def refused(server: Gateway) -> bool:
    try:
        return server.ask(review()).status != 200
    except (OSError, http.client.HTTPException):
        return True


def test_pipelined_requests_are_answered_in_order(server: Gateway) -> None:
    """Requests that are sent without waiting are answered one after the other."""
    with raw(server) as sock:
        for uid in ("first", "second", "third"):
            body = review(uid)
            head = f"POST /v1/validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            sock.sendall(head.encode() + body)
        text = b""
        while text.count(b'"uid"') < 3:
            text += sock.recv(65_536)
    assert text.index(b"first") < text.index(b"second") < text.index(b"third")


def test_expect_continue(server: Gateway) -> None:
    """A client that waits for leave to send its body gets it."""
    body = review()
    with raw(server) as sock:
        head = f"POST /v1/validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        sock.sendall(head.encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        sock.sendall(body)
        assert parse(sock)[0] == 200


def test_overload_and_a_log_that_hangs(gateway) -> None:
    """With the log's writer stopped, one request too many is refused at once, and a durable decision before its time."""
    server: Gateway = gateway(settings={"limits": {"concurrency": 1}}, audit={"mode": "durable"}).start()
    assert server.ask(review()).status == 200
    (writer,) = server.children("gateway.audit.writer")
    writer.send_signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor() as pool:
            first = pool.submit(server.ask, review(), path="/v1/validate?timeout=30s")
            eventually(lambda: server.metric("govgate_admission_in_flight_requests") == 1)
            second = server.ask(review())
            assert (second.status, second.json()["reason"]) == (503, "concurrency")
            assert second.headers["Retry-After"] == "1"
            assert not first.done()
            writer.send_signal(signal.SIGCONT)
            assert first.result().status == 200
        writer.send_signal(signal.SIGSTOP)
        late = server.ask(review(), path="/v1/validate?timeout=1s")
        assert (late.status, late.json()["reason"]) == (503, "audit")
    finally:
        writer.send_signal(signal.SIGCONT)
    assert server.metric('govgate_admission_requests_total{result="shed"}') == 1
    assert server.metric('govgate_admission_requests_total{result="unrecorded"}') == 1
    eventually(lambda: server.ask(review()).status == 200)


def test_memory_is_bounded(gateway) -> None:
    """Bodies beyond what may be held in memory are refused with 503; what was answered is held no longer."""
    server: Gateway = gateway(settings={"limits": {"heldBytes": 1_048_576}}).start()
    answer = server.ask(review(size=1_500_000))
    assert (answer.status, answer.json()["reason"]) == (503, "memory")
    for _ in range(3):
        assert server.ask(review(size=900_000)).status == 200
    assert server.metric('govgate_admission_shed_total{limit="memory"}') == 1
