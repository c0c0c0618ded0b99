"""Any single change to a log is found; an untouched log verifies."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from support.audit_facts import START_NS, entry

from gateway.audit.chain import GENESIS, Draft, chain, draft_event
from gateway.audit.checkpoint import Checkpoint, KeyChange, parse_checkpoint, sign_checkpoint, sign_key_change
from gateway.audit.note import Signer
from gateway.audit.signatures import Report, SignatureVerifier, Trust
from gateway.audit.verify import ChainVerifier, check_body
from gateway.core.canonical import canonical_json, sha256_digest

LOG = "0123456789abcdef" * 2
Row = tuple[int, bytes, str]


def signer(number: int = 1) -> Signer:
    return Signer("log", Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


@dataclass
class FakeLog:
    """A log in memory, written the way the writer writes it."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    key_notes: list[str] = field(default_factory=list)
    keys: int = 0
    head: str = GENESIS

    @property
    def key(self) -> Signer:
        return signer(self.keys)

    def add(self, draft: Draft) -> None:
        envelope, self.head = chain(draft, seq=len(self.rows) + 1, prev=self.head)
        self.rows.append((len(self.rows) + 1, envelope, self.head))

    def rotate(self) -> None:
        before = [self.key] if self.keys else []
        self.keys += 1
        change = KeyChange(LOG, len(self.rows) + 1, self.head, self.key.verifier)
        self.key_notes.append(sign_key_change(change, [*before, self.key]))
        self.add(draft_event("key", {"note": self.key_notes[-1]}, time_ns=START_NS))

    def checkpoint(self) -> str:
        note = sign_checkpoint(Checkpoint(LOG, len(self.rows), self.head, "2026-01-01T00:00:00.000000Z"), self.key)
        if note not in self.notes:
            self.notes.append(note)
        return note

    def prune(self, note: str) -> int:
        """Chain a prune record for a checkpoint; the rows are still there."""
        checkpoint = parse_checkpoint(note)
        detail = {"through": checkpoint.seq, "head": checkpoint.head, "checkpoint": note, "keys": self.key_notes}
        self.add(draft_event("prune", detail, time_ns=START_NS))
        self.checkpoint()
        return checkpoint.seq


def build(steps: str) -> FakeLog:
    """``d`` a decision, ``c`` a checkpoint, ``r`` a change of key; a key first and a checkpoint at the end."""
    log = FakeLog()
    log.rotate()
    for number, step in enumerate(steps):
        if step == "d":
            log.add(entry(number).draft)
        elif step == "c":
            log.checkpoint()
        else:
            log.checkpoint()
            log.rotate()
    log.checkpoint()
    return log


def verify(
    rows: list[Row], notes: list[str], *, trust: Trust | None = None, part: bool = False, keys: bool = True
) -> Report:
    trust = trust or Trust()
    places = {parse_checkpoint(note).seq for note in [*notes, *([trust.checkpoint] if trust.checkpoint else [])]}
    chained = ChainVerifier(places)
    for seq, envelope, digest in rows:
        chained.record(envelope, digest, seq if keys else None)
    return SignatureVerifier(chained.finish(), trust, log_id="" if part else LOG, part=part).verify(notes)


_few = settings(deadline=None, max_examples=60)
logs = st.text("dddcr", min_size=1, max_size=12).map(lambda steps: build("d" + steps))


@_few
@given(logs, st.data())
def test_an_untouched_log_verifies(log: FakeLog, data: st.DataObject) -> None:
    """What the writer wrote is found right, by number and by position, with any of its keys and any checkpoint."""
    key = signer(data.draw(st.integers(1, log.keys))).verifier
    report = verify(log.rows, log.notes, trust=Trust(key, data.draw(st.sampled_from(log.notes))))
    assert report.ok, report.problems
    assert report.signed == report.last == len(log.rows)
    assert verify(log.rows, log.notes, keys=False).ok


@_few
@given(logs, st.data())
def test_an_altered_record_is_found_and_named(log: FakeLog, data: st.DataObject) -> None:
    """Change any member of any record: verification names that record."""
    place = data.draw(st.integers(0, len(log.rows) - 1))
    seq, envelope, digest = log.rows[place]
    decoded = msgspec.json.decode(envelope)
    member = data.draw(st.sampled_from(sorted(decoded)))
    decoded[member] = data.draw(st.sampled_from(["x", 999, None, ["x"]]))
    rows = [*log.rows]
    rows[place] = (seq, canonical_json(decoded), digest)
    report = verify(rows, log.notes)
    assert not report.ok
    assert report.problems[0].seq == seq
    assert report.problems[0].kind == "altered"
    assert not verify(rows, log.notes, keys=False).ok


@_few
@given(logs, st.data())
def test_a_flipped_byte_is_found(log: FakeLog, data: st.DataObject) -> None:
    """Any changed byte of any record is found, what it makes of the JSON notwithstanding."""
    place = data.draw(st.integers(0, len(log.rows) - 1))
    seq, envelope, digest = log.rows[place]
    at = data.draw(st.integers(0, len(envelope) - 1))
    changed = bytearray(envelope)
    changed[at] ^= data.draw(st.integers(1, 255))
    rows = [*log.rows]
    rows[place] = (seq, bytes(changed), digest)
    assert verify(rows, log.notes).problems[0].seq == seq


@_few
@given(logs, st.data())
def test_a_rewritten_record_is_found(log: FakeLog, data: st.DataObject) -> None:
    """A record changed along with its own hash breaks the next one's link, or at the end the checkpoint."""
    place = data.draw(st.integers(1, len(log.rows) - 1))
    seq, envelope, _ = log.rows[place]
    decoded = msgspec.json.decode(envelope) | {"time": "2020-01-01T00:00:00.000000Z"}
    changed = canonical_json(decoded)
    rows = [*log.rows]
    rows[place] = (seq, changed, sha256_digest(changed))
    report = verify(rows, log.notes)
    problem = report.problems[0]
    if seq < len(rows):
        # A replaced last record of a signed stretch is seen twice, by its checkpoint and by the next link.
        assert seq in {problem.seq for problem in report.problems if problem.kind == "replaced"}
    else:
        assert problem.kind == "rewritten"
        assert problem.seq <= seq


@_few
@given(logs, st.data())
def test_a_chain_computed_anew_is_found_by_its_checkpoint(log: FakeLog, data: st.DataObject) -> None:
    """Rewriting a record and everything after it gets every hash right, and no signature."""
    place = data.draw(st.integers(0, len(log.rows) - 1))
    rows, head = [*log.rows[:place]], log.rows[place - 1][2] if place else GENESIS
    for offset, (seq, envelope, _) in enumerate(log.rows[place:]):
        decoded = msgspec.json.decode(envelope)
        decoded["prev"] = head
        if offset == 0:
            decoded["time"] = "2020-01-01T00:00:00.000000Z"
        raw = canonical_json(decoded)
        head = sha256_digest(raw)
        rows.append((seq, raw, head))
    report = verify(rows, log.notes)
    assert not report.ok
    assert {"rewritten", "key"} & {problem.kind for problem in report.problems}


@_few
@given(logs, st.data())
def test_a_replaced_hash_is_found_and_named(log: FakeLog, data: st.DataObject) -> None:
    """A hash that was replaced beside an intact record is told from an altered record where something follows."""
    place = data.draw(st.integers(0, len(log.rows) - 1))
    seq, envelope, _ = log.rows[place]
    rows = [*log.rows]
    rows[place] = (seq, envelope, "sha256:" + "e" * 64)
    problem = verify(rows, log.notes).problems[0]
    assert problem.seq == seq
    assert problem.kind == ("forged-hash" if seq < len(rows) else "altered")


@_few
@given(logs, st.data())
def test_a_removed_record_is_found_and_named(log: FakeLog, data: st.DataObject) -> None:
    """A gap is named by its first number; at either end the missing key or the checkpoint tells."""
    place = data.draw(st.integers(0, len(log.rows) - 1))
    rows = log.rows[:place] + log.rows[place + 1 :]
    for keys in (True, False):
        report = verify(rows, log.notes, keys=keys)
        assert not report.ok
        problem = report.problems[0]
        assert problem.seq == place + 1
        assert problem.kind == ("truncated" if place == len(log.rows) - 1 else "removed")


@_few
@given(logs, st.data())
def test_swapped_records_are_found_and_named(log: FakeLog, data: st.DataObject) -> None:
    """Two records that changed places are called reordered, the first place first."""
    first = data.draw(st.integers(0, len(log.rows) - 2))
    second = data.draw(st.integers(first + 1, len(log.rows) - 1))
    rows = [*log.rows]
    (one, a, ha), (two, b, hb) = rows[first], rows[second]
    rows[first], rows[second] = (one, b, hb), (two, a, ha)
    report = verify(rows, log.notes)
    assert report.problems[0].seq == first + 1
    assert report.problems[0].kind == "reordered"
    moved = verify(rows, log.notes, keys=False)
    assert not moved.ok
    if first:
        assert "reordered" in {problem.kind for problem in moved.problems}


@_few
@given(logs, st.data())
def test_a_record_that_is_there_twice_is_found(log: FakeLog, data: st.DataObject) -> None:
    """A copy of a record is not another record."""
    place = data.draw(st.integers(0, len(log.rows) - 1))
    at = data.draw(st.integers(place + 1, len(log.rows)))
    rows = [*log.rows[:at], log.rows[place], *log.rows[at:]]
    assert not verify(rows, log.notes, keys=False).ok


@_few
@given(logs, st.data())
def test_a_cut_log_is_found_with_a_checkpoint_kept_elsewhere(log: FakeLog, data: st.DataObject) -> None:
    """Cutting the end off, with the checkpoints there, shows only against a checkpoint from elsewhere."""
    kept = log.notes[-1]
    length = data.draw(st.integers(1, len(log.rows) - 1))
    rows = log.rows[:length]
    notes = [note for note in log.notes if parse_checkpoint(note).seq <= length]
    assert verify(rows, notes).ok
    report = verify(rows, notes, trust=Trust(checkpoint=kept))
    assert (report.problems[0].kind, report.problems[0].seq) == ("truncated", length + 1)


@_few
@given(logs)
def test_a_forged_checkpoint_is_found(log: FakeLog) -> None:
    """A checkpoint signed by another key, or changed after it was signed, is refused."""
    checkpoint = parse_checkpoint(log.notes[-1])
    forged = sign_checkpoint(checkpoint, signer(99))
    assert verify(log.rows, [*log.notes[:-1], forged]).problems[-1].kind == "signature"
    changed = log.notes[-1].replace("2026-01-01", "2026-01-02")
    assert verify(log.rows, [*log.notes[:-1], changed]).problems[-1].kind == "signature"
    wrong = replace_head(log, "sha256:" + "c" * 64)
    assert "rewritten" in {problem.kind for problem in verify(log.rows, [*log.notes[:-1], wrong]).problems}


def replace_head(log: FakeLog, head: str) -> str:
    checkpoint = parse_checkpoint(log.notes[-1])
    return sign_checkpoint(Checkpoint(checkpoint.log_id, checkpoint.seq, head, checkpoint.time), log.key)


def test_a_log_signed_anew_is_found_with_a_key_kept_elsewhere() -> None:
    """Whoever can write everything can sign everything with a key of his own: a key kept elsewhere tells."""
    mine = build("dcd")
    rebuilt = FakeLog()
    rebuilt.keys = 50
    change = KeyChange(LOG, 1, GENESIS, rebuilt.key.verifier)
    rebuilt.add(draft_event("key", {"note": sign_key_change(change, [rebuilt.key])}, time_ns=START_NS))
    rebuilt.add(entry(1).draft)
    rebuilt.checkpoint()
    assert verify(rebuilt.rows, rebuilt.notes).ok
    report = verify(rebuilt.rows, rebuilt.notes, trust=Trust(key=mine.key.verifier))
    assert [problem.kind for problem in report.problems] == ["key"]


def test_another_logs_checkpoint_is_not_taken() -> None:
    """A checkpoint has to be of this log."""
    log = build("dd")
    other = sign_checkpoint(Checkpoint("f" * 32, 2, log.rows[1][2], "t"), log.key)
    assert verify(log.rows, log.notes, trust=Trust(checkpoint=other)).problems[0].kind == "signature"


@_few
@given(logs, st.data())
def test_a_pruned_log_verifies_from_its_anchor(log: FakeLog, data: st.DataObject) -> None:
    """Removing what a signed prune record names is no tampering, in any state of its progress; more than that is."""
    note = data.draw(st.sampled_from(log.notes))
    through = log.prune(note)
    log.add(entry(100).draft)
    log.checkpoint()
    for key in (None, *(signer(number).verifier for number in range(1, log.keys + 1))):
        for gone in {0, through // 2, through}:
            rows = log.rows[gone:]
            notes = [note for note in log.notes if parse_checkpoint(note).seq >= gone]
            report = verify(rows, notes, trust=Trust(key=key))
            assert report.ok, report.problems
    assert verify(log.rows[through + 1 :], log.notes).problems[0].kind == "removed"


def test_pruning_needs_a_signature() -> None:
    """Without the key nobody can remove the beginning and say that it was pruned."""
    log = build("ddcdd")
    note = log.notes[0]
    signed = [*log.notes]
    through = log.prune(note)
    report = verify(log.rows[through:], signed[1:])
    assert [problem.kind for problem in report.problems] == ["signature"]
    plain = build("ddcdd")
    assert verify(plain.rows[through:], plain.notes).problems[0].kind == "removed"


def test_a_prune_record_fits_what_is_left() -> None:
    """The first record that is left has to follow from the last one that was pruned."""
    log = build("ddcdd")
    checkpoint = parse_checkpoint(log.notes[0])
    detail = {"through": checkpoint.seq, "head": "sha256:" + "d" * 64, "keys": log.key_notes}
    log.add(draft_event("prune", detail, time_ns=START_NS))
    log.checkpoint()
    kinds = {problem.kind for problem in verify(log.rows[checkpoint.seq :], log.notes[1:]).problems}
    assert "removed" in kinds


def test_a_part_of_a_log_verifies_by_itself() -> None:
    """An exported part may begin anywhere; with a key its signatures are checked, and it says where it begins."""
    log = build("dddcrdddc")
    for start in range(1, len(log.rows)):
        notes = [note for note in log.notes if parse_checkpoint(note).seq > start]
        for number in (1, 2):
            report = verify(log.rows[start:], notes, trust=Trust(key=signer(number).verifier), part=True, keys=False)
            if number == 2 or start < 5:  # record 5 is the change of key
                assert report.ok, (start, number, report.problems)
        report = verify(log.rows[start:], notes, part=True, keys=False)
        assert any("begins at record" in note for note in report.notes)


def test_a_clock_that_went_back_is_only_noted() -> None:
    """Order is by number: earlier times later in the log are information, no problem."""
    log = FakeLog()
    log.rotate()
    for seconds in (500, 470, 300, 301):
        log.add(entry(seconds).draft)
    log.checkpoint()
    report = verify(log.rows, log.notes)
    assert report.ok
    assert any("go back by more than a minute at 1 places" in note for note in report.notes)


def test_an_unsigned_end_is_said() -> None:
    """How many records no signature covers is part of the report."""
    log = build("dd")
    log.add(entry(7).draft)
    report = verify(log.rows, log.notes)
    assert report.ok
    assert report.signed == report.last - 1
    assert any("last 1 records are not covered" in note for note in report.notes)


@pytest.mark.parametrize(("body", "kind"), [(None, "body-missing"), (b"other", "body-altered"), (b"body", "")])
def test_bodies_are_what_their_address_says(body: bytes | None, kind: str) -> None:
    """A body that is missing or altered is named with its record."""
    problem = check_body(4, sha256_digest(b"body"), body)
    assert (problem.kind if problem else "") == kind


def test_an_empty_log_is_reported() -> None:
    """A log whose records are all gone does not verify against any of its checkpoints."""
    log = build("dd")
    assert verify([], []).ok
    assert verify([], log.notes).problems[0].kind == "truncated"


@_few
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4))
def test_rubbish_is_survived(blobs: list[bytes]) -> None:
    """Records that are no records are problems, not errors."""
    rows = [(seq, blob, "sha256:" + base64.b16encode(blob).decode()) for seq, blob in enumerate(blobs, 1)]
    report = verify(rows, [])
    assert report.problems[0].seq == 1
