"""Records, their canonical form and their chain."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import msgspec
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from support.audit_facts import RULES, START_NS, denial, subject

from gateway.audit.chain import GENESIS, chain, draft, draft_event, new_id, rfc3339
from gateway.audit.record import Bodies, decision_draft
from gateway.audit.rows import flat, read_record
from gateway.core.canonical import canonical_json
from gateway.core.guard import Indeterminate, OnError
from gateway.core.subject import UserInfo
from gateway.core.verdict import Decision, Verdict

_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcXYZ_", max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.dictionaries(
        st.sampled_from(["bodies", "detail", "request", "rules", "time", "type", "v", "verdict", "aa"]), _values
    ),
    st.integers(1, 2**53 - 1),
)
def test_fragments_join_to_canonical_json(members: dict[str, object], seq: int) -> None:
    """What the writer joins is RFC 8785's form of the whole record, as another implementation writes it."""
    given_members = {"id": "i", "time": "t", **members}
    prev = "sha256:" + "a" * 64
    envelope, digest = chain(draft(given_members), seq=seq, prev=prev)
    assert envelope == rfc8785.dumps(given_members | {"seq": seq, "prev": prev})
    assert digest == "sha256:" + hashlib.sha256(envelope).hexdigest()


@given(_text, _text, st.lists(_text, max_size=4), _text)
def test_decision_is_canonical_without_being_checked(name: str, user: str, groups: list[str], reason: str) -> None:
    """The fast path for decisions writes canonical JSON for any text that a request can hold."""
    verdict = Verdict(
        Decision.UNDECIDED, denial(reason).findings, (Indeterminate("drift", reason, OnError.DENY),), (reason, user)
    )
    asked = subject(1, name=name or "x", user=UserInfo(user, reason, tuple(groups)), uid=reason)
    made = decision_draft(
        asked,
        verdict,
        rules=RULES,
        timings={"total": 5, "a": 1},
        bodies=Bodies(old_object="sha256:x"),
        time_ns=START_NS,
    )
    envelope, _ = chain(made, seq=7, prev=GENESIS)
    decoded = msgspec.json.decode(envelope)
    assert envelope == canonical_json(decoded) == rfc8785.dumps(decoded)
    assert decoded["request"]["actor"] == {"username": user, "uid": reason, "groups": groups}
    assert decoded["verdict"]["indeterminate"] == [{"guard": "drift", "reason": reason, "onError": "deny"}]
    assert decoded["bodies"] == {"oldObject": "sha256:x"}
    assert decoded["seq"] == 7


def test_what_a_doubt_would_do_is_recorded() -> None:
    """Only where it is not enforced: what was written before this was known reads the same."""
    held = Indeterminate("drift", "why", OnError.ALLOW, would=OnError.DENY)
    verdict = Verdict(Decision.ALLOW, (), (held, Indeterminate("policy", "late", OnError.ALLOW)), ())
    made = decision_draft(subject(1), verdict, rules=RULES, timings={}, bodies=Bodies(), time_ns=START_NS)
    record = read_record(chain(made, seq=1, prev=GENESIS)[0])
    assert [(one.guard, one.would) for one in record.verdict.indeterminate] == [
        ("drift", "deny"),
        ("policy", msgspec.UNSET),
    ]
    assert flat(record, "")["indeterminate"] == "drift: why (allow; would deny)\npolicy: late (allow)"


def test_an_event_needs_no_request() -> None:
    """A record about the log itself has a detail and neither request nor verdict."""
    envelope, _ = chain(draft_event("loss", {"count": 3}, time_ns=START_NS), seq=1, prev=GENESIS)
    decoded = msgspec.json.decode(envelope)
    assert decoded["type"] == "loss"
    assert decoded["detail"] == {"count": 3}
    assert "request" not in decoded


def test_ids_are_unique_and_sort_by_time() -> None:
    """Ids are 32 hex digits, differ within one moment, and grow with time."""
    same = {new_id(START_NS) for _ in range(1000)}
    assert len(same) == 1000
    assert all(len(identity) == 32 and int(identity, 16) for identity in same)
    assert max(same) < new_id(START_NS + 2_000_000)


@given(st.integers(0, 4_000_000_000_000_000_000))
def test_time_is_rfc3339_with_microseconds(time_ns: int) -> None:
    """Times read back to the microsecond, whatever was formatted before."""
    text = rfc3339(time_ns)
    assert text.endswith("Z")
    assert len(text) == 27
    micros = (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    assert round(micros * 1_000_000) == time_ns // 1000
