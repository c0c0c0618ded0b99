"""One run of ``verify``: an artifact by the policies that are about it, and the evidence, to be kept and judged again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from gateway.ci.run import Doubt, Run
from gateway.config.files import read_bounded
from gateway.core.canonical import sha256_digest
from gateway.core.errors import GovgateError
from gateway.core.finding import Action, Resource
from gateway.core.guard import OnError
from gateway.provenance.collecting import Collected, Growing, Wanted, collect
from gateway.provenance.evidence import Evidence
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.reference import LayoutReference, Reference
from gateway.provenance.oci.source import Source
from gateway.provenance.trust.evaluate import Assessment
from gateway.provenance.trust.findings import GUARD, findings_of
from gateway.provenance.trust.predicates import Answers
from gateway.provenance.verifier import ReadyTrust

MAX_EVIDENCE_BYTES = 128 * 1024 * 1024
KIND = "OCIArtifact"


class Judgement(msgspec.Struct, frozen=True):
    """What one policy says, and by what."""

    policy: str
    satisfied: bool
    assessment: Assessment
    evidence: Evidence


class Saved(msgspec.Struct, frozen=True):
    """What ``-o json`` says about the artifact, as far as ``--evidence`` reads it again: bytes, never conclusions."""

    reference: str
    digest: str
    collected: Collected


class Verified(msgspec.Struct, frozen=True):
    """The run, and everything that a report may show."""

    run: Run
    saved: Saved
    judgements: tuple[Judgement, ...]

    @property
    def satisfied(self) -> bool:
        """Whether each policy is."""
        return all(one.satisfied for one in self.judgements)

    def document(self) -> dict[str, object]:
        """The JSON of the command contract, with the evidence beside it."""
        return {
            **self.run.document(),
            "reference": self.saved.reference,
            "digest": self.saved.digest,
            "judgements": self.judgements,
            "collected": self.saved.collected,
        }


def read_saved(path: Path) -> Saved:
    """Saved evidence. That there was no more of it is one of the conclusions that are not believed: whoever wrote the file
    may have left something out.

    Raises:
        GovgateError: the file cannot be read, or is something else.
    """
    data = read_bounded(path, max_bytes=MAX_EVIDENCE_BYTES)
    try:
        saved = msgspec.json.decode(data, type=Saved)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GovgateError(f"{path}: not what govgate verify -o json wrote: {str(error)[:200]}") from None
    return msgspec.structs.replace(saved, collected=msgspec.structs.replace(saved.collected, complete=False))


async def gather(
    source: Source,
    reference: Reference | LayoutReference,
    digest: str,
    policies: Sequence[ReadyTrust],
    now: datetime,
    *,
    limits: Limits | None = None,
) -> Saved:
    """Look for signatures until every policy has enough, or all was seen.

    Raises:
        RegistryError: something could not be read.
    """
    growing = [(ready, Growing(ready.trust.authorities, now), Answers()) for ready in policies]

    async def enough(collected: Collected) -> bool:
        said = [await ready.assess(grown.of(collected), answers) for ready, grown, answers in growing]
        return all(one.satisfied for one in said)

    wanted = Wanted.by([ready.trust for ready in policies])
    collected = await collect(source, digest, wanted, limits=limits or Limits(), enough=enough)
    return Saved(f"{reference.name}@{digest}", digest, collected)


async def judge(saved: Saved, policies: Sequence[ReadyTrust], now: datetime, *, on_error: OnError) -> Verified:
    """Verify the bytes, and evaluate every policy. Nothing that was concluded before is believed."""
    if saved.collected.artifact.digest != saved.digest or not saved.reference.endswith(f"@{saved.digest}"):
        raise GovgateError(f"the saved evidence is about {saved.collected.artifact.digest}, not {saved.digest}")
    collected = saved.collected.proven()
    judgements = [await _judge(collected, ready, now) for ready in policies]
    run = Run(sha256_digest("".join(ready.trust.digest for ready in policies).encode()), {}, on_error)
    about = Resource("", KIND, "", saved.reference)
    for ready, one in zip(policies, judgements, strict=True):
        run.findings += findings_of(ready.trust, one.assessment, artifact=saved.reference, about=about, field="")
        if one.assessment.undecided:
            run.doubts.append(Doubt(GUARD, f"{one.assessment.undecided} (TrustPolicy {one.policy})", saved.reference))
    summary = run.summary
    summary.judged = 1
    summary.denied = int(any(finding.action is Action.DENY for finding in run.findings))
    summary.warned = int(any(finding.action is Action.WARN for finding in run.findings))
    summary.indeterminate = int(bool(run.doubts))
    return Verified(run, saved, tuple(judgements))


async def _judge(collected: Collected, ready: ReadyTrust, now: datetime) -> Judgement:
    evidence = collected.evidence(ready.trust.authorities, now)
    assessment = await ready.assess(evidence)
    return Judgement(ready.trust.name, assessment.satisfied, assessment, evidence)
