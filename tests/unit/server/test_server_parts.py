"""Small parts of the server: files read together, guards' decisions for the metrics, client names, logs."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from gateway.config.files import fingerprint, read_together
from gateway.core.errors import ConfigError
from gateway.core.finding import Action, Finding, Resource, Severity
from gateway.core.guard import Indeterminate, Judged, OnError
from gateway.core.limits import Limits
from gateway.core.verdict import combine
from gateway.server.intake import Held, RefusedError
from gateway.server.logs import Bridge, place
from gateway.server.metrics import by_guard
from gateway.server.tls import Material, client_name_allowed


def test_a_swap_is_seen_and_never_read_half(tmp_path: Path) -> None:
    """Two files behind a link that is swapped all the time are read as a pair, or refused: never one of each."""
    for version in "ab":
        (tmp_path / version).mkdir()
        for name in ("crt", "key"):
            (tmp_path / version / name).write_text(version)
    link, stop = tmp_path / "data", threading.Event()
    link.symlink_to("a")

    def swap() -> None:
        version = 0
        while not stop.wait(0.0005):
            version += 1
            temporary = tmp_path / "new"
            temporary.symlink_to("ab"[version % 2])
            temporary.rename(link)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        paths = (str(link / "crt"), str(link / "key"))
        seen: set[tuple[bytes, ...]] = set()
        until = time.monotonic() + 30  # a busy machine may not swap for a while
        for count in itertools.count():
            if count >= 500 and (len(seen) >= 2 or time.monotonic() > until):
                break
            with contextlib.suppress(ConfigError):
                seen.add(read_together(paths, max_bytes=10))
    finally:
        stop.set()
        thread.join()
    assert seen == {(b"a", b"a"), (b"b", b"b")}


def test_fingerprints(tmp_path: Path) -> None:
    """A fingerprint changes when a file is written, replaced, or vanishes, and only then."""
    path = tmp_path / "file"
    states = [fingerprint([str(path)])]
    path.write_text("one")
    states.append(fingerprint([str(path)]))
    assert fingerprint([str(path)]) == states[-1]
    (tmp_path / "new").write_text("two")
    (tmp_path / "new").rename(path)
    states.append(fingerprint([str(path)]))
    os.utime(path, ns=(1, 1))
    states.append(fingerprint([str(path)]))
    assert len(set(states)) == 4


def test_reading_is_bounded(tmp_path: Path) -> None:
    """A file that is missing or too large is named."""
    (tmp_path / "large").write_bytes(b"x" * 11)
    with pytest.raises(ConfigError, match="large: larger than 10 bytes"):
        read_together([str(tmp_path / "large")], max_bytes=10)
    with pytest.raises(ConfigError, match=r"cannot read .*missing: No such file"):
        read_together([str(tmp_path / "missing")], max_bytes=10)


def finding(action: Action, *, exception: str | None = None) -> Finding:
    resource = Resource("v1", "ConfigMap", "web", "api")
    return Finding("f-1", "drift/x", Severity.HIGH, action, "drift", resource, "", "", "", exception=exception)


@pytest.mark.parametrize(
    ("outcome", "decision"),
    [
        (Judged("drift", "not managed"), "allow"),
        (Judged("drift", "x", (finding(Action.AUDIT),)), "audit"),
        (Judged("drift", "x", (finding(Action.AUDIT), finding(Action.WARN))), "warn"),
        (Judged("drift", "x", (finding(Action.WARN), finding(Action.DENY))), "deny"),
        (Judged("drift", "x", (finding(Action.DENY, exception="grant"),)), "audit"),
        (Indeterminate("drift", "late", OnError.ALLOW), "indeterminate"),
        (Indeterminate("drift", "late", OnError.DENY, (finding(Action.DENY),)), "deny"),
    ],
)
def test_each_guard_has_one_decision(outcome: Judged | Indeterminate, decision: str) -> None:
    """Of all that a guard said, the gravest is counted; what was excepted only as recorded."""
    verdict = combine([outcome, Judged("policy", "no rules")])
    assert by_guard(verdict) == {"drift": decision, "policy": "allow"}


def test_client_names() -> None:
    """The common name decides, and nothing else in the certificate."""
    peer = {"subject": ((("organizationName", "admin"),), (("commonName", "apiserver"),))}
    assert client_name_allowed(peer, ("apiserver",))
    assert not client_name_allowed(peer, ("admin",))
    assert not client_name_allowed(None, ("apiserver",))
    assert not client_name_allowed({}, ("apiserver",))


def test_held_bytes_are_bounded() -> None:
    """What does not fit is refused with 503 and not counted."""
    held = Held()
    held.take(60, 100)
    with pytest.raises(RefusedError) as refused:
        held.take(41, 100)
    assert (refused.value.status, refused.value.shed, held.bytes) == (503, True, 60)


def test_logs_hold_no_values() -> None:
    """An exception is logged by type and place, a library's message as its template: neither quotes a value."""
    lines = []
    try:
        raise ValueError("s3cret")  # noqa: TRY301 - it is the subject of the test
    except ValueError as error:
        fields = place(error)
        record = logging.LogRecord("lib", logging.ERROR, __file__, 1, "bad value %r", ("s3cret",), (None, error, None))
    Bridge(lambda *line: lines.append(line)).emit(record)
    assert fields["error"] == "ValueError"
    assert "test_server_parts.py" in str(fields["at"])
    assert lines[0][:2] == ("error", "bad value %r")
    assert "s3cret" not in repr(lines) + repr(fields)
    assert "KEY" not in repr(Material(b"CERT", b"KEY"))


def test_defaults_hold_what_an_api_server_sends() -> None:
    """The default bounds take an object and an old object of 3 MiB each."""
    assert Limits().body_bytes > 6 * 1024 * 1024
    assert Limits().held_bytes > 4 * Limits().body_bytes
