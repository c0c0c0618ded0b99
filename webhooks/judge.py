"""One request against every guard, under one deadline, with what administrators switched off applied visibly."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

import msgspec

from gateway.config.model import Config, config_digest_input
from gateway.core.errors import MalformedRequestError, UndecidedError
from gateway.core.finding import Action, Finding
from gateway.core.guard import Guard, HoldsBack, Indeterminate, Judged, NotApplicable, OnError, Outcome
from gateway.core.subject import Subject
from gateway.core.verdict import Decision, Verdict, combine
from webhooks.breakglass.cluster import ClusterGrants

_log = logging.getLogger(__name__)


class Judge:
    """The guards in force and the configuration they were built from.

    ``version`` is of everything else that decides; it may be another one at the next request. ``grants``: by which a
    request that is refused may still go through.
    """

    def __init__(
        self,
        config: Config,
        guards: Sequence[Guard],
        *,
        version: Callable[[], str],
        grants: ClusterGrants | None = None,
    ) -> None:
        self.config = config
        self._grants = grants
        self._guards = tuple(guards)
        self._version = version
        names = ",".join(guard.name for guard in guards)
        self._material = b"\0".join((names.encode(), config_digest_input(config)))
        self._digested = ("", "")

    @property
    def rules(self) -> str:
        """The digest of everything that decides: the deciding part of the configuration, the guards, their versions."""
        version = self._version()
        if version != self._digested[0]:
            material = version.encode() + b"\0" + self._material
            self._digested = (version, "sha256:" + hashlib.sha256(material).hexdigest())
        return self._digested[1]

    async def judge(self, subject: Subject, *, deadline_seconds: float, only: frozenset[str] | None = None) -> Verdict:
        """Judge one request within ``deadline_seconds``; a guard that takes longer is indeterminate.

        ``only``: the names of the guards that are asked; None: all of them.

        Raises:
            MalformedRequestError: an object in the request is not readable JSON.
        """
        started = time.monotonic()
        asked_for = self._guards if only is None else [guard for guard in self._guards if guard.name in only]
        guards = [guard for guard in asked_for if guard.concerns(subject)]
        if len(guards) == 1:
            outcomes = [await self._ask(guards[0], subject, deadline_seconds)]
        else:
            asked = (self._ask(guard, subject, deadline_seconds) for guard in guards)
            outcomes = list(await asyncio.gather(*asked))
        switched_off = self._switched_off(subject)
        if switched_off:
            outcomes = [_record_only(outcome, switched_off) for outcome in outcomes]
        verdict = combine(outcomes)
        if only is not None:
            verdict = msgspec.structs.replace(verdict, guards=tuple(sorted(only)))
        if self._grants is None or verdict.decision is not Decision.DENY:
            return verdict
        return await self._excused(self._grants, subject, verdict, deadline_seconds - (time.monotonic() - started))

    async def _excused(self, grants: ClusterGrants, subject: Subject, verdict: Verdict, seconds: float) -> Verdict:
        """The verdict, with the grant that lets the request through, if there is one, and nothing else refuses it."""
        if any(one.on_error is OnError.DENY for one in verdict.indeterminate):
            return verdict
        done = await grants.excuse(subject, verdict.findings, seconds=seconds)
        doubts = (done.doubt,) if done.doubt is not None else ()
        reasons = tuple(f"{one.guard}: {one.reason}" for one in doubts)
        decision = Decision.ALLOW if done.allowed else verdict.decision
        doubtful = (*verdict.indeterminate, *doubts)
        return Verdict(decision, done.findings, doubtful, (*verdict.reasons, *reasons), verdict.guards)

    async def _ask(self, guard: Guard, subject: Subject, deadline_seconds: float) -> Outcome:
        try:
            async with asyncio.timeout(deadline_seconds):
                return await guard.judge(subject)
        except TimeoutError:
            return _doubt(guard, subject, "the deadline passed")
        except UndecidedError as error:
            return _doubt(guard, subject, str(error))
        except MalformedRequestError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever fails in a guard, the request is answered
            # A guard that fails is a guard that could not decide; the trace is for us, not for the client.
            _log.exception("a guard failed", extra={"fields": {"guard": guard.name}})
            return _doubt(guard, subject, f"internal error: {type(error).__name__}")

    def _switched_off(self, subject: Subject) -> str:
        """Why findings are not enforced for this request: empty if they are."""
        if self.config.mode == "audit":
            return "mode: audit"
        namespace = subject.governing_namespace
        for pattern in self.config.opt_out.namespaces:
            if namespace and fnmatchcase(namespace, pattern):
                return f"namespace opted out ({pattern}): {self.config.opt_out.reason}"
        return ""


def _doubt(guard: Guard, subject: Subject, reason: str) -> Indeterminate:
    would = guard.held_back(subject) if isinstance(guard, HoldsBack) else None
    return Indeterminate(guard.name, reason, guard.on_error(subject), would=would)


def _record_only(outcome: Outcome, why: str) -> Outcome:
    """The same outcome, enforced nowhere: each finding, and each doubt, says what it would have done."""
    if isinstance(outcome, NotApplicable):
        return outcome
    findings = tuple(audited(finding, why) for finding in outcome.findings)
    if isinstance(outcome, Judged):
        return Judged(outcome.guard, f"{outcome.reason} [{why}]", findings)
    would = outcome.would if outcome.would is not None else outcome.on_error
    return Indeterminate(outcome.guard, f"{outcome.reason} [{why}]", OnError.ALLOW, findings, would)


def audited(finding: Finding, why: str) -> Finding:
    """The finding, enforced nowhere: it says what it would have done, and why it did not."""
    if finding.action is Action.AUDIT:
        return finding
    message = f"{finding.message} (would {finding.action}; not enforced: {why})"
    return msgspec.structs.replace(finding, action=Action.AUDIT, message=message, would=finding.action)
