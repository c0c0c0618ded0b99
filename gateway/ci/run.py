"""A run of ``check``: what was found, in the shape of the command contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from gateway.ci.combined import Combined
from gateway.ci.fix.suggest import Replacement
from gateway.ci.fix.text import Wanted
from gateway.ci.inputs import Content, Problem
from gateway.ci.manifests import Manifest, locations, read_manifests
from gateway.ci.structured import Document, locate, read_structured
from gateway.ci.suppressions import Suppression, apply, find
from gateway.config.check import Check
from gateway.core.finding import Action, Finding, Location
from gateway.core.guard import OnError
from gateway.core.subject import UserInfo
from policies.rule import FILE, Asked, RuleInfo
from policies.ruleset import Outcome, RuleSet
from policies.surroundings import Surroundings, surrounded
from policies.waivers import Waivers
from webhooks.policy import exempted
from webhooks.secrets import plaintext

if TYPE_CHECKING:
    from gateway.ci.secret_objects import SecretsInFiles
    from webhooks.artifacts import Artifacts

DEADLINE_SECONDS = 10.0


class Summary(msgspec.Struct):
    """Counts of objects and of what other structured files hold, but for ``skipped`` (documents that are no objects, where
    there are no rules about these) and ``problems``.
    """

    judged: int = 0
    denied: int = 0
    warned: int = 0
    indeterminate: int = 0
    excepted: int = 0
    skipped: int = 0
    problems: int = 0


class Doubt(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule that could not be decided about an object. ``unknown``: for want of what is not in the files.

    ``location``: None where there is no file.
    """

    rule: str
    reason: str
    resource: str
    location: Location | None = None
    unknown: bool = False


class Run(msgspec.Struct):
    """Everything that a report may show. ``infos``: the rules in force, by id; ``on_error``: what a doubt does.

    ``fixes``: the findings that count and say what puts them right; ``digests``: of the files that they were found in.
    ``suggestions``: what those fixes would change, by the finding's id and the file, where that is asked for.
    ``skipping``: what the summary's ``skipped`` counts. ``advises``: the formats that people read say what to do about the
    findings as well.
    """

    rules: str
    infos: dict[str, RuleInfo]
    on_error: OnError
    findings: list[Finding] = []
    doubts: list[Doubt] = []
    problems: list[Problem] = []
    summary: Summary = msgspec.field(default_factory=Summary)
    waivers: Waivers | None = None
    suppressions: list[Suppression] = []
    fixes: list[Wanted] = []
    digests: dict[str, bytes] = {}
    suggestions: dict[tuple[str, str], tuple[Replacement, ...]] = {}
    today: date = msgspec.field(default_factory=lambda: datetime.now(UTC).date())
    skipping: str = "documents skipped (no Kubernetes objects)"
    advises: bool = False

    def document(self) -> dict[str, object]:
        """The JSON of the command contract."""
        return {
            "findings": self.findings,
            "summary": self.summary,
            "rules": self.rules,
            "indeterminate": self.doubts,
            "problems": self.problems,
            "suppressions": [_listed(one) for one in self.suppressions],
        }

    @property
    def denied(self) -> bool:
        """Whether anything is denied, a doubt that denies included."""
        return bool(self.summary.denied) or (bool(self.doubts) and self.on_error is OnError.DENY)

    @property
    def warned(self) -> bool:
        """Whether there is a warning, a doubt that warns and a suppression that has lapsed included."""
        lapsed = any(one.problem for one in self.suppressions)
        return bool(self.summary.warned) or lapsed or (bool(self.doubts) and self.on_error is OnError.WARN)


def begin(rules: RuleSet, on_error: OnError) -> Run:
    """A run before anything was judged."""
    return Run(rules.digest, {info.id: info for info in rules.infos}, on_error)


async def judge_batch(
    run: Run,
    rules: RuleSet,
    batch: Sequence[Content | Problem],
    *,
    namespace: str,
    user: UserInfo | None = None,
    around: Surroundings,
    exempt: Sequence[str] = (),
    settings: Check | None = None,
    combined: Combined | None = None,
    plain: Action | None = None,
    artifacts: Artifacts | None = None,
    secrets: SecretsInFiles | None = None,
    watch: Callable[[Sequence[Manifest]], object] = len,
) -> None:
    """Judge what a batch of files holds, and add it to the run. ``settings``: of suppressions; without, there are none.
    ``combined``: takes what rules that take any document are to see at once, instead of each alone. ``plain``: what
    credentials in plain text do at most; None: they are not looked for. ``artifacts``: judges what the objects will have
    fetched. ``secrets``: judges Secrets and what they are made of. ``watch``: is told which objects are judged.
    """
    contents = [item for item in batch if isinstance(item, Content)]
    read = read_manifests([item for item in contents if not item.parser], namespace=namespace, user=user)
    files = read_structured([item for item in contents if item.parser], read.others)
    suppressions: dict[str, list[Suppression]] = {}
    for content in contents if settings is not None and settings.suppressions else ():
        if content.rendered:
            continue  # its lines are not the file's
        lines = read.documents.get(content.path, [1])
        found = find(content.path, content.data, lines, settings or Check(), run.today)
        if found:
            suppressions[content.path] = found
            run.suppressions += found
    problems = [*(item for item in batch if isinstance(item, Problem)), *read.problems, *files.problems]
    run.problems += problems
    run.summary.problems += len(problems)
    run.summary.skipped += read.skipped
    judged = [manifest for manifest in read.manifests if not exempted(manifest.subject.governing_namespace, exempt)]
    watch(judged)
    asked = [surrounded(manifest.subject, around) for manifest in judged]
    if FILE in rules.needs:
        asked = [_with_file(one, manifest.path) for one, manifest in zip(asked, judged, strict=True)]
    if combined is not None:
        asked = [msgspec.structs.replace(one, by="review") for one in asked]
    fixes = len(run.fixes)
    outcomes = await rules.judge_all(asked, timeout_seconds=DEADLINE_SECONDS)
    outcomes = await _judge_besides(judged, outcomes, plain, artifacts)
    if secrets is not None:
        outcomes = await secrets.join([manifest.subject for manifest in judged], outcomes)
    places = locations(judged, [[finding.field for finding in outcome.findings] for outcome in outcomes])
    for manifest, outcome, stand in zip(judged, outcomes, places, strict=True):
        _add(run, manifest, outcome, _located(outcome.findings, stand), suppressions.get(manifest.path, ()))
    fixable = {one.at for one in run.fixes[fixes:]}
    run.digests |= {one.path: sha256(one.data).digest() for one in contents if one.path in fixable and not one.rendered}
    if not rules.about_files:
        run.summary.skipped += len(files.documents)
    elif combined is not None:
        combined.add([*judged, *files.documents], suppressions)
    else:
        await _judge_documents(run, rules, files.documents, around, suppressions)


async def _judge_besides(
    judged: Sequence[Manifest], outcomes: list[Outcome], plain: Action | None, artifacts: Artifacts | None
) -> list[Outcome]:
    """The outcomes of the rules, joined by what other guards say about the same objects."""
    if plain is not None:
        outcomes = [
            outcome.joined(findings=tuple(plaintext(manifest.subject, plain, file=True)))
            for manifest, outcome in zip(judged, outcomes, strict=True)
        ]
    if artifacts is not None:
        outcomes = await artifacts.join([manifest.subject for manifest in judged], outcomes)
    return outcomes


async def _judge_documents(
    run: Run,
    rules: RuleSet,
    documents: Sequence[Document],
    around: Surroundings,
    suppressions: Mapping[str, Sequence[Suppression]],
) -> None:
    asked = [
        msgspec.structs.replace(_with_file(surrounded(one.subject, around), one.path), by="document")
        for one in documents
    ]
    outcomes = await rules.judge_files(asked, timeout_seconds=DEADLINE_SECONDS)
    fields = [[finding.field for finding in outcome.findings] for outcome in outcomes]
    places = locate(list(zip(documents, fields, strict=True)))
    for one, outcome, stand in zip(documents, outcomes, places, strict=True):
        _add(run, one, outcome, _located(outcome.findings, stand), suppressions.get(one.path, ()))


async def judge_combined(run: Run, rules: RuleSet, combined: Combined, around: Surroundings) -> None:
    """Judge all that was combined at once, and add it to the run: what is found in one of the parts is about that."""
    asked = _with_file(surrounded(combined.subject, around), combined.subject.name)
    asked = msgspec.structs.replace(asked, by="document")
    (outcome,) = await rules.judge_files([asked], timeout_seconds=DEADLINE_SECONDS)
    findings = combined.attributed(outcome.findings)
    suppressions = [one for several in combined.suppressions.values() for one in several]
    _add(run, combined, outcome, findings, suppressions)


def _with_file(asked: Asked, path: str) -> Asked:
    """The same with the name of its file."""
    return msgspec.structs.replace(asked, file=path, known=asked.known | {FILE})


def _add(
    run: Run,
    judged: Manifest | Document | Combined,
    outcome: Outcome,
    found: Sequence[Finding],
    suppressions: Sequence[Suppression],
) -> None:
    """``found``: the findings of the outcome, with their places."""
    subject = judged.subject
    location = None if isinstance(judged, Combined) else Location(judged.path, judged.line)
    waived = run.waivers.apply(found) if run.waivers is not None else found
    findings = apply(suppressions, waived)
    live = [finding for finding in findings if finding.exception is None]
    run.findings += findings
    if isinstance(judged, Manifest):
        run.fixes += [
            Wanted(finding, finding.fix, judged.path, judged.line, judged.prefix, rendered=not judged.text)
            for finding in live
            if finding.fix
        ]
    summary = run.summary
    where = f"{subject.object_namespace}/{subject.name}" if subject.object_namespace else subject.name
    about = f"{subject.kind.kind} {where}"
    run.doubts += [Doubt(doubt.rule, doubt.reason, about, location, doubt.unknown) for doubt in outcome.undecided]
    summary.judged += 1
    summary.denied += any(finding.action is Action.DENY for finding in live)
    summary.warned += any(finding.action is Action.WARN for finding in live)
    summary.indeterminate += bool(outcome.undecided)
    summary.excepted += len(live) < len(findings)


def _listed(one: Suppression) -> dict[str, object]:
    return {
        "id": one.id,
        "state": one.state,
        "rules": one.rules,
        "until": one.until,
        "reason": one.reason,
        "location": Location(one.path, one.line),
    }


def _located(findings: Sequence[Finding], places: Sequence[Location]) -> list[Finding]:
    return [msgspec.structs.replace(finding, location=place) for finding, place in zip(findings, places, strict=True)]
