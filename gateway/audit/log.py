"""The log as its writer sees it: append, sign, change keys, prune. One object, one thread at a time.

Everything that belongs together is one transaction; the head in memory moves only after it. After an error of the
disk the file is opened anew and believed, not the memory: what the failed commit left behind is looked up by id.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from gateway import __version__
from gateway.audit import checkpoint as notes
from gateway.audit.chain import GENESIS, Draft, chain, draft_event, rfc3339
from gateway.audit.checkpoint import Checkpoint, KeyChange, sign_checkpoint, sign_key_change
from gateway.audit.keys import create_signer, prepare_next, settle
from gateway.audit.note import Signer
from gateway.audit.retention import Uses, prune_target, sweep
from gateway.audit.state import DATABASE, State
from gateway.audit.store import FORMAT, Row, Store
from gateway.audit.wire import Entry
from gateway.config.model import Audit
from gateway.core.errors import AuditError

_FOLD_BYTES = 4 * 1024 * 1024
"""After so much was written, the WAL is folded into the database."""


class Log:
    """The writing end of the log in a state folder whose lock is held."""

    def __init__(self, state: State, config: Audit, *, purpose: str = "serve") -> None:
        """Open the log; a new one gets its first record, which names its key. ``purpose`` is in the ``start`` record.

        Raises:
            AuditError: the database is damaged or another log's, or the signing key is not the one in force.
            AuditFullError: there is no room.
        """
        self._state = state
        self._config = config
        self._signer: Signer = create_signer(state.folder, state.log_id)
        self._sweep: Iterator[None] | None = None
        self._doubtful = False
        self._failed = False
        self._unfolded = 0
        self._open()
        self._uses = Uses(self.seq)
        if self.seq == 0:
            self._change_key(self._signer, [self._signer], "created")
        else:
            key_note = self._store.key_notes()[-1]
            self._signer = settle(state.folder, state.log_id, str(notes.parse_key_change(key_note).key))
        self._resume_sweep()
        self._append_rows([draft_event("start", {"version": __version__, "purpose": purpose, "mode": config.mode})], [])

    def _open(self) -> None:
        self._store = Store(self._state.folder / DATABASE)
        owner = self._store.meta("logId")
        if owner and owner != self._state.log_id:
            raise AuditError(f"{self._state.folder / DATABASE} belongs to another log: {owner}")
        if not owner:
            with self._store.transaction():
                self._store.set_meta("logId", self._state.log_id)
                self._store.set_meta("format", FORMAT)
        self.seq, self.head = self._store.head() or (0, GENESIS)
        last = self._store.last_checkpoint()
        self.signed_seq = last[0] if last else 0
        self.newest_checkpoint = last[1] if last else ""

    def append(self, entries: Sequence[Entry], *, resent: bool = False) -> None:
        """Chain the entries and put them on disk. ``resent``: some may be there already.

        Raises:
            AuditFullError: no room, or the disk fails; nothing of ``entries`` counts as written.
        """
        self._recover()
        if resent or self._doubtful:
            known = self._store.known_ids([entry.draft.id for entry in entries])
            entries = _without(entries, known)
        self._append_rows([entry.draft for entry in entries], entries)
        self._doubtful = False

    def checkpoint(self) -> str:
        """Sign where the log stands, unless that is signed already; returns the newest signed checkpoint."""
        self._recover()
        if self.seq > self.signed_seq:
            with self._writing(), self._store.transaction():
                note = self._sign(self.seq, self.head)
            self._signed(self.seq, note)
        return self.newest_checkpoint

    def rotate(self) -> str:
        """Put a new signing key in force; returns its verifier key. The old one signs what it has written first."""
        self.checkpoint()
        following = prepare_next(self._state.folder, self._state.log_id)
        self._change_key(following, [self._signer, following], "rotated")
        self._signer = settle(self._state.folder, self._state.log_id, str(following.verifier))
        self.checkpoint()
        return str(following.verifier)

    def prune(self, through: int, reason: str) -> int:
        """Begin to remove records up to the newest checkpoint at or before ``through``; returns up to which.

        The removal itself is done by :meth:`step`. The last record always stays.
        """
        self._recover()
        found = self._store.checkpoint_at_most(min(through, self.seq - 1))
        if found is None or found[0] < self._store.first_seq():
            return 0
        self._prune_at(*found, reason)
        return found[0]

    def probe(self) -> None:
        """Write something that is no record, to see whether the disk takes it.

        Raises:
            AuditFullError: it does not.
        """
        self._recover()
        with self._writing(), self._store.transaction():
            self._store.set_meta("probed", rfc3339(time.time_ns()))

    @property
    def has_work(self) -> bool:
        """Whether :meth:`step` has something to do; cheap."""
        return self._unfolded > _FOLD_BYTES or self._sweep is not None

    def step(self) -> bool:
        """One small piece of the work that can wait; False if there is none."""
        self._recover()
        self._uses.note(self.seq)
        if self._unfolded > _FOLD_BYTES:
            with self._writing():
                self._store.fold_wal()
            self._unfolded = 0
            return True
        if self._sweep is None:
            return False
        with self._writing():
            try:
                next(self._sweep)
            except StopIteration:
                self._sweep = None
        return True

    def retain(self, now: datetime | None = None) -> None:
        """See whether records are too old or too many, and begin to remove them if so."""
        self._recover()
        target = prune_target(self._store, self._config.retention, now or datetime.now(UTC))
        if target is not None and self._sweep is None and target[0] < self.seq:
            self._prune_at(*target, "retention")

    def close(self) -> str:
        """Sign the end and close; returns the newest signed checkpoint."""
        note = self.checkpoint()
        self._store.close()
        return note

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except AuditError:
            self._failed = True
            raise

    def _recover(self) -> None:
        """After an error: open the file anew, and put what can be read of it on the disk for good."""
        if not self._failed:
            return
        with suppress(AuditError):
            self._store.close()
        self._open()
        self._store.fold_wal("TRUNCATE")
        self._doubtful = True
        self._resume_sweep()
        self._failed = False

    def _resume_sweep(self) -> None:
        """A removal that a crash or an error cut short goes on."""
        pruned = int(self._store.meta("pruned") or 0)
        first = self._store.first_seq()
        self._sweep = sweep(self._store, pruned, self._uses.floor) if first and pruned >= first else None

    def _prune_at(self, seq: int, note: str, reason: str) -> None:
        head = notes.parse_checkpoint(note).head
        detail = {
            "through": seq,
            "head": head,
            "checkpoint": note,
            "keys": self._store.key_notes(seq),
            "reason": reason,
        }
        self._append_rows([draft_event("prune", detail)], [], pruned=seq)
        self.checkpoint()
        self._sweep = sweep(self._store, seq, self._uses.floor)

    def _change_key(self, key: Signer, signers: Sequence[Signer], event: str) -> None:
        change = KeyChange(self._state.log_id, self.seq + 1, self.head, key.verifier)
        note = sign_key_change(change, signers)
        self._append_rows([draft_event("key", {"event": event, "note": note})], [], key_note=note)

    def _append_rows(
        self, drafts: Sequence[Draft], entries: Sequence[Entry], *, key_note: str = "", pruned: int = 0
    ) -> None:
        """The one place where the chain grows. A checkpoint that is due by number goes into the same transaction."""
        rows: list[Row] = []
        seq, head = self.seq, self.head
        for draft in drafts:
            seq += 1
            envelope, head = chain(draft, seq=seq, prev=head)
            rows.append((seq, envelope.decode(), head))
        uses = {address: self.seq + place for place, entry in enumerate(entries, 1) for address in entry.refers}
        # The key before signs nothing from a change on, and the next one not before it is in force.
        due = not key_note and seq - self.signed_seq >= self._config.checkpoint_records
        note = ""
        with self._writing(), self._store.transaction():
            for entry in entries:
                self._store.insert_bodies(entry.bodies, seq)
            self._store.insert_records(rows)
            self._store.use_bodies(uses.items())
            if key_note:
                self._store.insert_key(seq, key_note)
            if pruned:
                self._store.set_meta("pruned", str(pruned))
            if due:
                note = self._sign(seq, head)
        self.seq, self.head = seq, head
        self._unfolded += sum(len(row[1]) for row in rows) + sum(entry.size for entry in entries)
        if due:
            self._signed(seq, note)

    def _sign(self, seq: int, head: str) -> str:
        now = rfc3339(time.time_ns())
        note = sign_checkpoint(Checkpoint(self._state.log_id, seq, head, now), self._signer)
        self._store.insert_checkpoint(seq, now, note)
        return note

    def _signed(self, seq: int, note: str) -> None:
        self.signed_seq = seq
        self.newest_checkpoint = note


def _without(entries: Sequence[Entry], known: set[str]) -> list[Entry]:
    """``entries`` each once, and without those whose id is known."""
    kept: dict[str, Entry] = {}
    for entry in entries:
        if entry.draft.id not in known:
            kept.setdefault(entry.draft.id, entry)
    return list(kept.values())
