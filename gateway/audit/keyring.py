"""Which key was in force where in a log, and whether each change of key is right. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.audit.checkpoint import KeyChange, parse_key_change
from gateway.audit.note import NoteError, Verifier, signed_by


class KeyRing:
    """The changes of key that were seen, in their order.

    A log's first key signs itself. ``start`` is a key that is taken to be in force at the beginning of a part of a
    log whose own beginning is not at hand.
    """

    def __init__(self, start: Verifier | None = None) -> None:
        self._start = start
        self._changes: list[KeyChange] = []

    @property
    def keys(self) -> list[Verifier]:
        """Every key of the log that is known, the newest last."""
        start = [self._start] if self._start is not None else []
        return start + [change.key for change in self._changes]

    def knows(self, seq: int) -> bool:
        """Whether the change of key in the record ``seq`` was taken up."""
        return any(change.seq == seq for change in self._changes)

    def learn(self, note: str, log_id: str) -> KeyChange:
        """Take up one signed change of key, later than all that are known.

        Raises:
            NoteError: it is malformed, of another log, out of order, or not signed by the key before and its own.
        """
        change = parse_key_change(note)
        if log_id and change.log_id != log_id:
            raise NoteError("the change of key is another log's")
        if self._changes and change.seq <= self._changes[-1].seq:
            raise NoteError("the change of key is out of order")
        if not signed_by(note, change.key):
            raise NoteError("the new key did not sign the change of key")
        before = self.in_force(change.seq)
        # A part of a log may begin before the key that was given came into force.
        given_later = not self._changes and change.key == self._start
        if before is not None and not given_later and not signed_by(note, before):
            raise NoteError("the key before did not sign the change of key")
        if given_later:
            self._start = None
        self._changes.append(change)
        return change

    def learn_all(self, notes: Sequence[str], log_id: str) -> None:
        """Take up all changes of key in ``notes``, in order.

        Raises:
            NoteError: as :meth:`learn`.
        """
        for note in notes:
            self.learn(note, log_id)

    def in_force(self, seq: int) -> Verifier | None:
        """The key that signs a checkpoint of ``seq`` records; None if it is not known."""
        key = self._start
        for change in self._changes:
            if change.seq > seq:
                break
            key = change.key
        return key
