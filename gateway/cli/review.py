"""``govgate review``: judge recorded AdmissionReviews offline, as the server would."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from cyclopts import Parameter

from gateway.ci.report import REPORTERS, Format
from gateway.ci.verdicts import add_verdict, no_verdicts
from gateway.cli import exits
from gateway.cli.parameters import PATHS
from gateway.config import load_config
from gateway.core.errors import GovgateError, MalformedRequestError, UsageError
from gateway.core.finding import Action, Finding
from gateway.core.guard import OnError
from gateway.core.subject import Subject
from gateway.core.verdict import Decision, Verdict
from webhooks.assembly import Assembly, assemble
from webhooks.review import decode_review, encode_response

CACHES_SECONDS = 30.0
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024


class Totals(msgspec.Struct):
    """The summary of a run, as in the command contract."""

    judged: int = 0
    denied: int = 0
    warned: int = 0
    indeterminate: int = 0
    excepted: int = 0
    refused: int = 0

    def add(self, verdict: Verdict) -> None:
        """Count one verdict."""
        self.judged += 1
        self.denied += verdict.decision is Decision.DENY
        self.refused += verdict.decision is Decision.UNDECIDED
        self.warned += any(f.action is Action.WARN and f.exception is None for f in verdict.findings) or any(
            i.on_error is OnError.WARN for i in verdict.indeterminate
        )
        self.indeterminate += bool(verdict.indeterminate)
        self.excepted += any(f.exception for f in verdict.findings)

    def exit_code(self, fail_on: str) -> int:
        """What the process ends with."""
        if self.denied or self.refused:
            return exits.DENIED
        return exits.WARNED if self.warned and fail_on == "warn" else exits.CLEAN


def review(
    *files: Annotated[Path, PATHS],
    output: Annotated[Format, Parameter(name=["--output", "-o"])] = "table",
    config: Path | None = None,
    fail_on: Literal["deny", "warn"] = "deny",
) -> int:
    """Judge recorded AdmissionReviews: JSON, or JSON lines; ``-`` reads standard input.

    With -o json, one AdmissionReview response a line, in order, exactly as the server would answer. Exit code 3 when
    anything is denied, 2 for warnings with --fail-on warn.

    Parameters
    ----------
    files
        Files of AdmissionReviews, or - for standard input.
    output
        table for people; json and yaml for programs; sarif, junit, github, gitlab, markdown for what shows findings.
    config
        The configuration file; else GOVGATE_CONFIG names it, else the embedded defaults hold.
    fail_on
        What makes the command fail.
    """
    if not files:
        raise UsageError("name at least one file, or - for standard input")
    return asyncio.run(_review(files, output, config, fail_on))


async def _review(files: Iterable[Path], output: Format, config: Path | None, fail_on: str) -> int:
    assembly = await assemble(load_config(config).config)
    try:
        await wait_for_caches(assembly)
        totals, run = Totals(), no_verdicts(assembly.judge.rules)
        for where, document in _documents(files):
            subject, verdict = await _judge(assembly, where, document)
            totals.add(verdict)
            if output == "table":
                _print_table(subject, verdict)
            elif output in {"json", "yaml"}:
                _print_answer(assembly, subject, verdict, output)
            else:
                add_verdict(run, subject, verdict)
        if output not in {"table", "json", "yaml"}:
            sys.stdout.write(REPORTERS[output](run))
        if output != "json":
            _print_totals(totals)
        return totals.exit_code(fail_on)
    finally:
        await assembly.close()


async def wait_for_caches(assembly: Assembly) -> None:
    """With a cluster configured, facts are read before anything is judged.

    Raises:
        GovgateError: they cannot be read.
    """
    missing: dict[str, bool | str] = {}
    for _ in range(int(CACHES_SECONDS * 20)):
        missing = {name: state for name, state in assembly.ready().items() if state is not True}
        if not missing:
            return
        await asyncio.sleep(0.05)
    name, state = next(iter(missing.items()))
    raise GovgateError(f"cannot read {name}: {state}")


async def _judge(assembly: Assembly, where: str, document: bytes) -> tuple[Subject, Verdict]:
    try:
        subject = decode_review(document)
        limits = assembly.judge.config.server.limits
        return subject, await assembly.judge.judge(subject, deadline_seconds=limits.default_deadline_seconds)
    except MalformedRequestError as error:
        raise MalformedRequestError(f"{where}: {error}") from None


def _documents(files: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Each AdmissionReview with where it is from: a whole file, or a line of it (counted from 1)."""
    for file in files:
        name = "standard input" if str(file) == "-" else str(file)
        stream = sys.stdin.buffer if str(file) == "-" else file.open("rb")
        with stream:
            data = stream.read(MAX_DOCUMENT_BYTES + 1)
        if len(data) > MAX_DOCUMENT_BYTES:
            raise GovgateError(f"{name}: larger than {MAX_DOCUMENT_BYTES} bytes: split it")
        if _is_one_document(data):
            yield name, data
            continue
        for number, line in enumerate(data.splitlines(), start=1):
            if line.strip():
                yield f"{name}:{number}", line


def _is_one_document(data: bytes) -> bool:
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


def _print_answer(assembly: Assembly, subject: Subject, verdict: Verdict, output: Format) -> None:
    message = assembly.message(verdict, subject)
    answer = encode_response(subject.uid, verdict, rules=assembly.judge.rules, message=message)
    if output == "yaml":
        text = yaml.safe_dump(msgspec.json.decode(answer), explicit_start=True, sort_keys=False, width=120)
        answer = text.rstrip("\n").encode()
    sys.stdout.buffer.write(answer + b"\n")
    sys.stdout.buffer.flush()


def _print_table(subject: Subject, verdict: Verdict) -> None:
    where = f"{subject.object_namespace}/{subject.name}" if subject.object_namespace else subject.name
    kind = subject.kind.kind + (f" ({subject.subresource})" if subject.subresource else "")
    verdict_text = verdict.decision.value.upper()
    print(f"{verdict_text:10} {subject.operation} {kind} {where} by {subject.user.username}")
    for line in _details(verdict):
        print(f"           {line}")


def _details(verdict: Verdict) -> Iterator[str]:
    if not verdict.findings:
        yield from verdict.reasons
    for finding in verdict.findings:
        yield _finding_line(finding)
    for undecided in verdict.indeterminate:
        yield f"could not decide ({undecided.guard}): {undecided.reason}"


def _finding_line(finding: Finding) -> str:
    action = f"excepted by {finding.exception}" if finding.exception else finding.action.value
    return f"{action}: {finding.message} [{finding.rule}, {finding.id}]"


def _print_totals(totals: Totals) -> None:
    counts: dict[str, Any] = msgspec.structs.asdict(totals)
    refused = counts.pop("refused")
    text = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(text + (f" ({refused} refused because undecided)" if refused else ""), file=sys.stderr)
