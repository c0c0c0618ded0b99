"""What vouches for a signature besides its key: entries of logs, time stamps, and the times that follow. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from gateway.provenance.evidence import Level, Levels, LogEntry
from gateway.provenance.signatures.authorities import Trusted
from gateway.provenance.signatures.keys import PublicKey
from gateway.provenance.signatures.log import check_window, verify_entry
from gateway.provenance.signatures.logbody import Signed
from gateway.provenance.signatures.material import Material, Question
from gateway.provenance.signatures.refusal import RefusedError
from gateway.provenance.signatures.timestamps import verify_timestamp

MAX_SKEW = timedelta(minutes=5)
"""How far ahead of this machine's clock a proven time may be."""


class Proofs(msgspec.Struct, frozen=True):
    """What was verified. Each of ``times`` is one by which the signature existed.

    ``ends``: when what was compared with now, for want of a proven time, stops being so.
    """

    level: Level
    times: tuple[datetime, ...] = ()
    log: LogEntry | None = None
    ends: tuple[datetime, ...] = ()

    @property
    def time(self) -> datetime | None:
        """The earliest time by which the signature existed, if any is proven."""
        return min(self.times, default=None)

    @property
    def valid_until(self) -> datetime | None:
        """When this has to be verified again; None for never."""
        return min(self.ends, default=None)

    def ending(self, *ends: datetime | None) -> Proofs:
        """With further ends, where no time is proven; None is none."""
        if self.times:
            return self
        return msgspec.structs.replace(self, ends=self.ends + tuple(end for end in ends if end is not None))


def signature_holds(material: Material, key: PublicKey, question: Question) -> bool:
    """Whether the key made the signature.

    Raises:
        RefusedError: the signature is over the artifact itself, and its digest alone is not enough for such a key.
    """
    if material.message is not None:
        return key.signed(material.signature, material.message)
    if question.content is not None:
        return key.signed(material.signature, question.content)
    algorithm, _, value = question.artifact.digest.partition(":")
    if key.hash != algorithm:
        needed = f"a digest by {key.hash}" if key.hash else "all of its bytes"
        reason = f"such a key signs {needed} of the artifact, and only its {algorithm} digest is at hand"
        raise RefusedError("algorithm", reason, "verify the file itself, or sign an attestation of it")
    return key.verifies_digest(material.signature, bytes.fromhex(value))


def prove(material: Material, key: PublicKey, question: Question, trusted: Trusted) -> Proofs:
    """Verify all log entries and time stamps that come with a signature; every one must be right.

    Raises:
        RefusedError: one is not.
    """
    if not material.entries and not material.timestamps:
        return Proofs("none")
    root = trusted.root
    signed = Signed(material, key, question.artifact.digest)
    logged = [verify_entry(entry, signed, root) for entry in material.entries]
    times = [verify_timestamp(stamp, material.stamped, root) for stamp in material.timestamps]
    times += [entry.time for entry in logged if entry.time is not None]
    if times:
        check_present(max(times), question.now)
    for entry in logged:
        check_window(entry, entry.time or min(times, default=question.now))
    proofs = Proofs("log" if logged else "tsa", tuple(times), logged[0].record if logged else None)
    return proofs.ending(*(entry.log.window.end for entry in logged))


def check_present(time: datetime, now: datetime) -> None:
    """Refuse a proven time that is yet to come.

    Raises:
        RefusedError: at the step ``timestamp``.
    """
    if time > now + MAX_SKEW:
        reason = f"its log or time stamp says {time.isoformat()}, and it is {now.isoformat()} here"
        remedy = "set this machine's clock right; if it is, that log or authority is wrong"
        raise RefusedError("timestamp", reason, remedy)


def check_level(levels: Levels, level: Level, *, keyed: bool) -> None:
    """Refuse a signature that proves less than the authority asks for.

    Raises:
        RefusedError: at the step ``level``.
    """
    if level == "log":
        return
    allowed = not levels.require_log if keyed else levels.allow_no_log or (level == "tsa" and levels.allow_tsa_only)
    if allowed:
        return
    has = "only a time stamp" if level == "tsa" else "and nothing proves when it was made"
    named = "requireLog off" if keyed else "allowTsaOnly" if level == "tsa" else "allowNoLog"
    remedy = f"sign with a transparency log, or let the policy accept less by name ({named})"
    raise RefusedError("level", f"the signature has no entry in a transparency log, {has}", remedy)
