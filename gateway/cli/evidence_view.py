"""What ``govgate verify`` and ``govgate verify-blob`` say to people about signatures: one way for both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gateway.ci.report.words import printable
from gateway.provenance.evidence import Evidence, Rejected, Signed

if TYPE_CHECKING:
    from gateway.ci.artifact import Judgement, Verified

_DIGEST_CHARS = 19
"""Of a manifest's digest: enough to tell which one is meant."""


def run_lines(verified: Verified) -> list[str]:
    """The artifact, what each policy says and by whose word, then what is missing and what to do."""
    found = [verified.saved.reference]
    for judgement in verified.judgements:
        found.append(f"  {_word(judgement)}: TrustPolicy {judgement.policy}")
        found += [f"    {_signed(judgement.evidence.signed[index])}" for index in judgement.assessment.by]
    for finding in verified.run.findings:
        found.append(f"  {finding.action}: {finding.message} [{finding.rule}, {finding.id}]")
        if finding.remedy:
            found.append(f"    what to do: {finding.remedy}")
    found += [f"  undecided: {doubt.reason}" for doubt in verified.run.doubts]
    rejected = {one for judgement in verified.judgements for one in judgement.evidence.rejected}
    ordered = sorted(rejected, key=lambda one: (one.source, one.authority, one.step))
    return _printable(found + [f"  {_rejected(one)}" for one in ordered])


def evidence_lines(evidence: Evidence) -> list[str]:
    """What was verified and what was not, with what to do."""
    found = [evidence.artifact.digest]
    found += [f"  verified: {_signed(one)}" for one in evidence.signed]
    for one in evidence.rejected:
        found += [f"  {_rejected(one)}", f"    what to do: {one.remedy}"]
    return _printable(found if len(found) > 1 else [*found, "  no signatures"])


def _printable(lines: list[str]) -> list[str]:
    return [printable(line) for line in lines]


def _word(judgement: Judgement) -> str:
    if judgement.satisfied:
        return "verified"
    return "undecided" if judgement.assessment.undecided else "not satisfied"


def _signed(one: Signed) -> str:
    return "".join(_parts(one))


def _parts(one: Signed) -> Iterator[str]:
    signer = one.signer
    yield "signed" if one.is_signature else f"attested {one.predicate_type}"
    yield f" by {f'key {signer.key}' if signer.key else f'{signer.identity} ({signer.issuer})'}"
    yield f", {one.format}"
    yield f", at {one.time.isoformat()}" if one.time is not None else ", at a time that nobody vouches for"
    if one.log is not None:
        yield f", in the log {one.log.origin} as {one.log.index} ({one.log.kind})"


def _rejected(one: Rejected) -> str:
    source = f" {one.source[:_DIGEST_CHARS]}" if one.source else ""
    return f"not accepted: {one.format}{source}: {one.step}: {one.reason}"
