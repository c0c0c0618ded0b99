"""What the provenance guard says, as findings and as a line for the record. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from gateway.core.guard import OnError
from gateway.core.known_rule import KnownRule, by_id
from gateway.core.subject import Subject
from gateway.provenance.gate import Verdict
from gateway.provenance.oci.reference import Reference
from gateway.provenance.trust.findings import GUARD, findings_of
from gateway.provenance.verifier import ReadyTrust
from webhooks.sources.fetch import Fetch, chart_reference
from webhooks.sources.flux import RECONCILED
from webhooks.sources.matchers import Weakness

UNMATCHED = "provenance/unmatched"
SOURCE_VERIFICATION = "provenance/source-verification"
MUTABLE = "provenance/mutable-reference"
DRIFTED = "provenance/reconciled-digest"
UNDECIDED = "provenance/undecided"
RULES = by_id(
    KnownRule(UNMATCHED, "A trust policy is about every artifact", Severity.MEDIUM, Action.DENY),
    KnownRule(SOURCE_VERIFICATION, "Sources verify what they fetch by themselves", Severity.MEDIUM, Action.DENY),
    KnownRule(MUTABLE, "References name what is fetched by its digest", Severity.MEDIUM, Action.DENY),
    KnownRule(DRIFTED, "What Flux has fetched is what its source names now", Severity.MEDIUM, Action.AUDIT),
    KnownRule(UNDECIDED, "Trust policies that only warn, or record, could be decided", Severity.MEDIUM, Action.WARN),
)

_ORDER = ("off", "audit", "warn", "deny")


class Item(msgspec.Struct, frozen=True):
    """One thing that is fetched, with the policies that are about it, if it could be told what it is."""

    fetch: Fetch
    new: bool
    reference: Reference | None = None
    policies: tuple[ReadyTrust, ...] = ()
    doubt: str = ""


class Looked(msgspec.Struct, frozen=True):
    """What became of one: findings, lines for the record, or why it could not be decided; and the digest it has."""

    findings: tuple[Finding, ...] = ()
    records: tuple[str, ...] = ()
    doubt: str = ""
    digest: str = ""


def placed(chart: Fetch, url: str) -> Fetch:
    """A chart with the URL of its repository before its name."""
    name, _, tag = chart.reference.partition(":")
    if chart.versions is not None:
        return msgspec.structs.replace(chart, reference=f"{url.removeprefix('oci://').rstrip('/')}/{name}")
    reference, mutable, _ = chart_reference(f"{url.rstrip('/')}/{name}", tag, "flux-chart")
    return msgspec.structs.replace(chart, reference=reference, mutable=mutable)


def results(subject: Subject, item: Item, verdict: Verdict) -> tuple[Finding, ...]:
    """What each policy misses."""
    artifact = _shown(item, verdict)
    return tuple(
        finding
        for result in verdict.results
        for finding in findings_of(
            result.trust, result.assessment, artifact=artifact, about=_about(subject), field=item.fetch.field
        )
    )


def record(item: Item, verdict: Verdict) -> str:
    """What was verified, and by whose word: for the audit log."""
    said = []
    for result in verdict.results:
        signed = [result.evidence.signed[index].signer for index in result.assessment.by]
        names = dict.fromkeys(f"key {one.key}" if one.key else one.identity for one in signed)
        word = "verified" if result.assessment.satisfied else "undecided" if result.assessment.undecided else "refused"
        said.append(f"{word} by TrustPolicy {result.trust.name}" + (f" ({', '.join(names)})" if names else ""))
    return f"{_shown(item, verdict)}: {', '.join(said)}"


def weak(subject: Subject, weaknesses: Sequence[Weakness] | None, about: Sequence[Item]) -> Iterator[Finding]:
    """What is wrong with how the source verifies by itself, as strictly as the strictest policy about it says."""
    action = _sources_action(about)
    for one in weaknesses or () if action is not None else ():
        if action is not None:
            message = f"{one.field}: {one.message}"
            yield _finding(subject, SOURCE_VERIFICATION, one.field, action, message, one.remedy)


def mutable(subject: Subject, item: Item) -> tuple[Finding, ...]:
    """That the same reference may stand for something else tomorrow."""
    action = _sources_action([item])
    if not item.fetch.mutable or action is None:
        return ()
    message = f"{item.fetch.reference}: {item.fetch.mutable}: what was verified need not be what is fetched later"
    return (_finding(subject, MUTABLE, item.fetch.field, action, message, "name the digest (@sha256:…)"),)


def unmatched(
    subject: Subject, items: Sequence[Item], action: Literal["ignore", "audit", "warn", "deny"]
) -> Iterator[Finding]:
    """Artifacts that no policy is about, where the configuration asks to be told."""
    for item in items if action != "ignore" else ():
        message = f"{item.fetch.reference}: no trust policy is about this repository"
        remedy = "add a TrustPolicy for it, or take it from a repository that has one"
        if action != "ignore":
            yield _finding(subject, UNMATCHED, item.fetch.field, Action(action), message, remedy)


def reconciled(subject: Subject, items: Sequence[Item], looked: Sequence[Looked]) -> Iterator[Finding]:
    """That Flux has fetched something else than what its source names now: it may be about to, or be kept from it."""
    digests = {
        item.fetch.field == RECONCILED: one.digest for item, one in zip(items, looked, strict=True) if one.digest
    }
    fetched, named = digests.get(True), digests.get(False)
    if fetched and named and fetched != named:
        message = f"Flux reports {fetched} as fetched; what the source names has the digest {named} now"
        remedy = "look at the source's conditions; name the digest if the tag was moved back"
        yield _finding(subject, DRIFTED, RECONCILED, Action.AUDIT, message, remedy)


def strictest(policies: Sequence[ReadyTrust]) -> Literal["deny", "warn", "audit"]:
    """The strictest mode of the policies; of none, ``deny``."""
    modes = {ready.trust.policy.mode for ready in policies}
    return "warn" if "warn" in modes and "deny" not in modes else "audit" if modes == {"audit"} else "deny"


def fallback(configured: OnError, policies: Sequence[ReadyTrust]) -> OnError:
    """What a doubt does: never more than the policies would at worst."""
    mode = strictest(policies)
    if mode == "deny" or configured is OnError.ALLOW:
        return configured
    return OnError.WARN if mode == "warn" else OnError.ALLOW


def _sources_action(about: Sequence[Item]) -> Action | None:
    asked = [ready.trust.policy.sources for item in about for ready in item.policies]
    worst = max(asked, key=_ORDER.index, default="off")
    return None if worst == "off" else Action(worst)


def _finding(subject: Subject, rule: str, field: str, action: Action, message: str, remedy: str) -> Finding:  # noqa: PLR0917
    about = _about(subject)
    severity = RULES[rule].severity
    return Finding(finding_id(rule, about, field), rule, severity, action, GUARD, about, field, message, remedy)


def _about(subject: Subject) -> Resource:
    return Resource(subject.kind.api_version, subject.kind.kind, subject.object_namespace, subject.name)


def _shown(item: Item, verdict: Verdict) -> str:
    """The artifact with its digest, and the range by which it was chosen."""
    reference, versions = verdict.reference, item.fetch.versions
    if reference.digest:
        return str(reference)
    return f"{reference} ({verdict.digest}{f', the newest in {versions}' if versions is not None else ''})"
