"""One request, start to end: read, judge, record, answer. This is the hot path: 4,000 times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

import msgspec
from aiohttp import web

from gateway.audit.recorder import Recorder
from gateway.core.errors import AuditError, AuditFullError, MalformedRequestError
from gateway.core.limits import Limits
from gateway.core.subject import Subject
from gateway.core.verdict import Decision, Verdict
from gateway.server.answer import Answer
from gateway.server.deadline import parse_target, plan
from gateway.server.intake import Held, RefusedError, asked_guards, check_head, error_body, overloaded, read_body
from gateway.server.metrics import WorkerMetrics
from webhooks.assembly import Assembly
from webhooks.groups import GROUPS
from webhooks.review import decode_review, encode_response

_RESULTS = {Decision.ALLOW: "allowed", Decision.DENY: "denied", Decision.UNDECIDED: "undecided"}


class Serving(msgspec.Struct, frozen=True):
    """What is in force; replaced as a whole, between requests."""

    assembly: Assembly
    limits: Limits


class Admission:
    """Answers ``POST /v1/validate``. ``closing``: every answer asks the client to leave this connection."""

    def __init__(
        self,
        serving: Serving,
        recorder: Recorder,
        metrics: WorkerMetrics,
        *,
        on_bug: Callable[[Exception], None],
    ) -> None:
        self.serving = serving
        self.closing = False
        self.in_flight = 0
        self._judging = 0
        self._held = Held()
        self._recorder = recorder
        self._metrics = metrics
        self._on_bug = on_bug

    async def __call__(self, request: web.BaseRequest) -> Answer:
        """Answer one request, whatever it is; raises nothing but cancellation."""
        self.in_flight += 1
        try:
            answer = Answer(200, await self._review(request))
        except RefusedError as refusal:
            answer = self._refuse(refusal)
        except Exception as bug:  # noqa: BLE001 - the boundary: a bug fails one request, not the worker
            self._metrics.request("error")
            self._on_bug(bug)
            answer = Answer(500, error_body("internal error", "internal"))
        finally:
            self.in_flight -= 1
        answer.keep = not self.closing
        return answer

    def malformed(self, reason: str) -> None:
        """Count a request that never got here: ``http``, ``slow-head``."""
        self._metrics.malformed(reason)
        self._metrics.request("malformed")

    def _refuse(self, refusal: RefusedError) -> Answer:
        if refusal.shed:
            self._metrics.shed(refusal.reason)
            self._metrics.request("unrecorded" if refusal.reason == "audit" else "shed")
        else:
            self.malformed(refusal.reason)
        return Answer(refusal.status, refusal.body(), refusal.headers)

    async def _review(self, request: web.BaseRequest) -> bytes:
        """The AdmissionReview that answers ``request``.

        Raises:
            RefusedError: it is not answered with a review.
        """
        arrived = perf_counter()
        serving = self.serving
        limits = serving.limits
        target = parse_target(request.raw_path)
        guards = asked_guards(target.path)
        check_head(request, limits)
        if target.nonsense:
            self._metrics.bad_deadlines.inc()
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await read_body(request.content, limits, self._held)
        try:
            if self._judging >= limits.concurrency:
                raise overloaded("concurrency", f"{limits.concurrency} reviews are in progress")
            self._judging += 1
            try:
                return await self._judge(body, serving, arrived, target.timeout_seconds, guards)
            finally:
                self._judging -= 1
        finally:
            self._held.bytes -= len(body)

    async def _judge(
        self,
        body: bytes,
        serving: Serving,
        arrived: float,
        timeout_seconds: float | None,
        guards: frozenset[str] | None,
    ) -> bytes:
        limits, assembly, judge = serving.limits, serving.assembly, serving.assembly.judge
        budget = plan(timeout_seconds or limits.default_deadline_seconds, limits.deadline_margin_seconds)
        received = perf_counter()
        try:
            subject = decode_review(body)
        except MalformedRequestError as error:
            raise RefusedError(400, "review", str(error)) from None
        decoded = perf_counter()
        try:
            left = max(0.0, budget.judge - (decoded - arrived))
            verdict = await judge.judge(subject, deadline_seconds=left, only=guards)
        except MalformedRequestError as error:
            raise RefusedError(400, "review", str(error)) from None
        judged = perf_counter()
        timings = {
            "receive": _micros(received - arrived),
            "decode": _micros(decoded - received),
            "judge": _micros(judged - decoded),
        }
        await self._record(subject, verdict, judge.rules, timings, budget.record - (judged - arrived))
        message = "" if verdict.allowed else assembly.message(verdict, subject)
        answer = encode_response(subject.uid, verdict, rules=judge.rules, message=message)
        self._metrics.request(_RESULTS[verdict.decision])
        self._metrics.decided(subject, verdict)
        self._metrics.duration.observe(perf_counter() - arrived)
        late = guards is None or guards >= GROUPS["policy"]
        if late and not assembly.afterwards(subject, self._recorder.event):
            self._metrics.late_lost.inc()
        return answer

    async def _record(
        self, subject: Subject, verdict: Verdict, rules: str, timings: dict[str, int], seconds: float
    ) -> None:
        """A decision that is not recorded in time is not answered: 503, never a denial in disguise."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._recorder.record(subject, verdict, rules=rules, timings=timings)
        except AuditFullError as error:
            raise overloaded("audit", f"the decision cannot be recorded: {error}") from None
        except (AuditError, TimeoutError):
            raise overloaded("audit", "the decision could not be recorded in time") from None


def _micros(seconds: float) -> int:
    return int(seconds * 1_000_000)
