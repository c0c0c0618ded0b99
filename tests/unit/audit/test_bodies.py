"""Which bodies are kept, and that the work is done once."""

from __future__ import annotations

from support.audit_facts import allowance, denial, deployment, subject

from gateway.audit.bodies import REMEMBERED, REMEMBERED_SECONDS, BodyCapture
from gateway.audit.retention import GRACE_SECONDS
from gateway.config.model import Bodies
from gateway.core.canonical import sha256_digest
from gateway.core.subject import GroupVersionKind


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def _capture(**config: object) -> tuple[BodyCapture, _Clock]:
    clock = _Clock()
    return BodyCapture(Bodies(**config), b"k" * 32, clock=clock), clock  # type: ignore[arg-type]


def test_addresses_are_of_what_is_kept() -> None:
    """A body's address is the digest of its redacted bytes, and no plaintext is among them."""
    capture, _ = _capture()
    taken = capture.capture(subject(5), denial())
    assert [address for address, _ in taken.new] == [taken.bodies.object, taken.bodies.old_object]
    assert all(address == sha256_digest(body) for address, body in taken.new)
    assert b"open-sesame" not in b"".join(body for _, body in taken.new)


def test_the_last_object_is_the_next_old_object() -> None:
    """A body that was sent is referred to and not sent again."""
    capture, _ = _capture()
    first = capture.capture(subject(5), denial())
    second = capture.capture(subject(6), denial())
    assert second.bodies.old_object == first.bodies.object
    assert [address for address, _ in second.new] == [second.bodies.object]


def test_what_was_sent_long_ago_is_sent_again() -> None:
    """The writer may drop unused bodies after a while: well before that they are sent again."""
    capture, clock = _capture()
    capture.capture(subject(5), denial())
    clock.now += REMEMBERED_SECONDS - 1
    assert not capture.capture(subject(5), denial()).new
    clock.now += 1
    assert len(capture.capture(subject(5), denial()).new) == 2
    assert REMEMBERED_SECONDS <= GRACE_SECONDS / 2


def test_same_bytes_as_a_secret_are_another_body() -> None:
    """The kind that the request names decides what is redacted: it belongs to what is remembered."""
    capture, _ = _capture()
    raw = b'{"data":{"a":"b"}}'
    plain = capture.capture(
        subject(kind=GroupVersionKind("x", "v1", "Thing"), raw_object=raw, raw_old_object=b""), denial()
    )
    secret = capture.capture(
        subject(kind=GroupVersionKind("", "v1", "Secret"), raw_object=raw, raw_old_object=b""), denial()
    )
    assert plain.bodies.object == sha256_digest(raw)
    assert secret.bodies.object != plain.bodies.object


def test_memory_is_bounded() -> None:
    """No more bodies are remembered than the bound; the oldest go first."""
    capture, _ = _capture()
    for number in range(REMEMBERED + 10):
        capture.capture(subject(raw_object=b'{"n":%d}' % number, raw_old_object=b""), denial())
    assert len(capture._known) == REMEMBERED
    assert capture.capture(subject(raw_object=b'{"n":0}', raw_old_object=b""), denial()).new


def test_capture_as_configured() -> None:
    """none keeps nothing; findings keeps what there is something to say about."""
    none, _ = _capture(capture="none")
    assert none.capture(subject(1), denial()).bodies.object == ""
    findings, _ = _capture(capture="findings")
    assert findings.capture(subject(1), allowance()).bodies.object == ""
    assert findings.capture(subject(1), denial()).bodies.object


def test_absent_bodies_have_no_address() -> None:
    """A CREATE has no oldObject, a DELETE no object."""
    capture, _ = _capture()
    taken = capture.capture(subject(raw_object=deployment(1), raw_old_object=b""), denial())
    assert taken.bodies.old_object == ""
    assert len(taken.new) == 1
