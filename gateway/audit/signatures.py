"""What signatures say about a chain that was walked: its keys, its checkpoints, its pruned beginning. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.audit.checkpoint import Checkpoint, parse_checkpoint
from gateway.audit.keyring import KeyRing
from gateway.audit.note import NoteError, Verifier, signed_by
from gateway.audit.verify import Chain, Landmark, Problem


class Report(msgspec.Struct, frozen=True):
    """What verification found. ``signed`` is the last record that a signature covers, 0 if none is."""

    ok: bool
    log: str
    records: int
    first: int
    last: int
    head: str
    signed: int
    checkpoints: int
    bodies: int
    key: str
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


class Trust(msgspec.Struct, frozen=True):
    """What was kept elsewhere: a verifier key of the log, and a signed checkpoint; each may be missing."""

    key: Verifier | None = None
    checkpoint: str = ""


class SignatureVerifier:
    """One verification. ``part``: the records may begin anywhere (a file that was exported), nothing vouches for it."""

    def __init__(self, chain: Chain, trust: Trust, *, log_id: str = "", part: bool = False) -> None:
        self._chain = chain
        self._trust = trust
        self._log_id = log_id
        self._part = part
        self._problems = list(chain.problems)
        self._notes: list[str] = []
        self._signed = 0
        self._prune = self._find_prune()
        self._ring = self._learn_keys()

    def verify(self, checkpoints: Sequence[str], *, bodies: int = 0, body_problems: Sequence[Problem] = ()) -> Report:
        """Check the log's own ``checkpoints`` (in order), the one kept elsewhere, and the beginning; report it all."""
        for note in checkpoints:
            self._check_checkpoint(note, "the checkpoint")
        if self._trust.checkpoint:
            self._check_checkpoint(self._trust.checkpoint, "the checkpoint kept elsewhere")
        self._check_beginning()
        self._check_trust()
        self._remark()
        problems = sorted((*self._problems, *body_problems), key=lambda problem: problem.seq)
        chain, keys = self._chain, self._ring.keys
        return Report(
            ok=not problems,
            log=self._log_id,
            records=chain.records,
            first=chain.first,
            last=chain.last,
            head=chain.head,
            signed=self._signed,
            checkpoints=len(checkpoints),
            bodies=bodies,
            key=str(keys[-1] if keys else self._trust.key or ""),
            problems=tuple(problems),
            notes=tuple(self._notes),
        )

    def _find_prune(self) -> Landmark | None:
        """The last record that says what was pruned; it is needed only if the beginning is not there."""
        prunes = [mark for mark in self._chain.landmarks if mark.type == "prune"]
        return prunes[-1] if prunes and self._chain.first > 1 else None

    def _learn_keys(self) -> KeyRing:
        prune = self._prune
        ring = KeyRing(self._trust.key if self._chain.first != 1 and prune is None else None)
        if prune is not None:
            try:
                ring.learn_all(_strings(prune.detail.get("keys")), self._log_id)
            except NoteError as error:
                self._add(prune.seq, "key", f"record {prune.seq}: {error}")
        for mark in self._chain.landmarks:
            if mark.type == "key" and not ring.knows(mark.seq):
                self._learn_key(ring, mark)
        return ring

    def _learn_key(self, ring: KeyRing, mark: Landmark) -> None:
        try:
            change = ring.learn(str(mark.detail.get("note")), self._log_id)
        except NoteError as error:
            self._add(mark.seq, "key", f"record {mark.seq}: {error}")
            return
        self._log_id = change.log_id
        if (change.seq, change.prev) != (mark.seq, mark.prev):
            self._add(mark.seq, "key", f"record {mark.seq} holds a change of key from another place")

    def _check_checkpoint(self, note: str, what: str) -> None:
        try:
            checkpoint = parse_checkpoint(note)
        except NoteError as error:
            self._add(self._chain.last, "signature", f"{what} cannot be read: {error}")
            return
        where = f"{what} of {checkpoint.seq} records"
        if self._log_id and checkpoint.log_id != self._log_id:
            self._add(checkpoint.seq, "signature", f"{where} is another log's ({checkpoint.log_id})")
            return
        if checkpoint.seq > self._chain.last:
            last = self._chain.last
            self._add(last + 1, "truncated", f"the log ends at record {last}, but {where} was signed")
            return
        key = self._ring.in_force(checkpoint.seq)
        if key is None:
            self._remark_once("signatures were not checked: no key is at hand (give one with --key)")
        elif not signed_by(note, key):
            self._add(checkpoint.seq, "signature", f"{where} is not signed by the key in force there ({key.name})")
            return
        self._compare(checkpoint, where, trusted=key is not None)

    def _compare(self, checkpoint: Checkpoint, where: str, *, trusted: bool) -> None:
        chain, seq = self._chain, checkpoint.seq
        if seq < chain.first - 1:
            return
        found = chain.before if seq == chain.first - 1 else chain.hashes.get(seq)
        if found != checkpoint.head:
            first = max(chain.first, self._signed + 1)
            if any(first <= problem.seq <= seq for problem in chain.problems):
                return  # the walk has named the record already
            message = f"{where} does not match: one of the records {first} to {seq} was rewritten"
            self._add(first, "rewritten", message)
        elif trusted:
            self._signed = max(self._signed, seq)

    def _check_beginning(self) -> None:
        """A log whose first records are gone needs a signed record that says so."""
        chain, prune = self._chain, self._prune
        if chain.first <= 1:
            return
        through = prune.detail.get("through") if prune is not None else None
        if prune is None or not isinstance(through, int) or through < chain.first - 1:
            if self._part:
                self._notes.append(f"this part begins at record {chain.first}; what came before is not in it")
            else:
                self._add(1, "removed", f"records 1 to {chain.first - 1} are missing, and were not pruned")
        elif through == chain.first - 1 and prune.detail.get("head") != chain.before:
            self._add(chain.first, "removed", f"record {chain.first} does not follow from what was pruned")
        elif prune.seq > self._signed and not self._part:
            self._add(prune.seq, "signature", f"record {prune.seq} says what was pruned, and no signature covers it")
        else:
            self._notes.append(f"records up to {through} were pruned")

    def _check_trust(self) -> None:
        key = self._trust.key
        if key is None:
            self._notes.append("no key from elsewhere was given: whoever can write the log could have signed it anew")
        elif self._ring.keys and key not in self._ring.keys:
            self._add(self._chain.first, "key", f"the log was never signed by the given key ({key})")

    def _remark(self) -> None:
        chain = self._chain
        if chain.backwards:
            self._notes.append(
                f"times go back by more than a minute at {chain.backwards} places; the order is that of the numbers"
            )
        if self._signed < chain.last:
            since = chain.last - max(self._signed, chain.first - 1)
            self._notes.append(f"the last {since} records are not covered by a signature")

    def _remark_once(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    def _add(self, seq: int, kind: str, message: str) -> None:
        self._problems.append(Problem(seq, kind, message))


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
