"""What ``govgate verify`` says to people."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.ci.artifact import Judgement, Verified
from gateway.ci.report.words import printable
from gateway.provenance.evidence import Signed


def lines(verified: Verified) -> list[str]:
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
    for one in sorted(rejected, key=lambda rejected: (rejected.source, rejected.authority, rejected.step)):
        found.append(f"  not accepted: {one.format} {one.source[:19]}: {one.step}: {one.reason}")
    return [printable(line) for line in found]


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
        yield f", in the log {one.log.origin} as {one.log.index}"
