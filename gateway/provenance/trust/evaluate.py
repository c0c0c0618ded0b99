"""The decision: is what was found about an artifact enough for a policy? A pure function, asked afresh each time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from gateway.core.finding import Action, Severity
from gateway.core.known_rule import KnownRule, by_id
from gateway.provenance.evidence import Evidence, Rejected, Signed
from gateway.provenance.trust.reading import Trust

Said = Literal["yes", "no", "undecided"]
"""What the Rego of an attestation says about one predicate."""

SIGNATURE = "provenance/signature"
ATTESTATION = "provenance/attestation"
ARTIFACT_TYPE = "provenance/artifact-type"
RULES = by_id(
    KnownRule(SIGNATURE, "Artifacts are signed as a trust policy asks", Severity.HIGH, Action.DENY),
    KnownRule(ATTESTATION, "Artifacts have the attestations that a trust policy asks for", Severity.HIGH, Action.DENY),
    KnownRule(ARTIFACT_TYPE, "Artifacts are of the type that a trust policy asks for", Severity.HIGH, Action.DENY),
)
_MAX_REJECTED = 3


class Question(msgspec.Struct, frozen=True):
    """Whether the ``attestation``-th requirement accepts the ``signed``-th statement: indexes into policy and evidence."""

    attestation: int
    signed: int


class Problem(msgspec.Struct, frozen=True):
    """What is missing: the rule that says so, a line for a person, and what to do."""

    rule: str
    message: str
    remedy: str


class Assessment(msgspec.Struct, frozen=True, rename="camel"):
    """What one policy says about one artifact. ``undecided``: why it cannot say; then ``problems`` are no verdict.

    ``by``: indexes of the statements that counted.
    """

    policy: str
    problems: tuple[Problem, ...] = ()
    undecided: str = ""
    by: tuple[int, ...] = ()

    @property
    def satisfied(self) -> bool:
        """Whether the artifact is as the policy wants it."""
        return not self.problems and not self.undecided


def questions(trust: Trust, evidence: Evidence) -> list[Question]:
    """What the Rego has to be asked before :func:`evaluate` can decide."""
    return [
        Question(number, index)
        for number, wanted in enumerate(trust.policy.attestations)
        if wanted.rego
        for index, _ in _attesting(trust, evidence, number)
    ]


def evaluate(trust: Trust, evidence: Evidence, said: Mapping[Question, Said]) -> Assessment:
    """The assessment. A question that nobody answered counts as undecided."""
    if trust.unusable:
        return Assessment(trust.name, undecided=trust.unusable)
    policy = trust.policy
    problems: list[Problem] = []
    doubts: list[str] = []
    by: set[int] = set()
    artifact = evidence.artifact
    if policy.artifact_types and not {artifact.artifact_type, artifact.media_type} & set(policy.artifact_types):
        kind = artifact.artifact_type or artifact.media_type or "of no type"
        wanted = ", ".join(policy.artifact_types)
        problems.append(Problem(ARTIFACT_TYPE, f"the artifact is {kind}, not {wanted}", "push what was meant"))
    if policy.signature:
        problems += _signatures(trust, evidence, by)
    for number, attestation in enumerate(policy.attestations):
        answers = {
            index: said.get(Question(number, index), "undecided") if attestation.rego else "yes"
            for index, _ in _attesting(trust, evidence, number)
        }
        by.update(index for index, answer in answers.items() if answer == "yes")
        said_all = list(answers.values())
        if attestation.match == "all" and said_all:
            found = _by_all(attestation.predicate_type, said_all, evidence)
        else:
            found = _by_one(attestation.predicate_type, said_all, evidence)
        if isinstance(found, Problem):
            problems.append(found)
        elif found:
            doubts.append(found)
    return Assessment(trust.name, tuple(problems), "; ".join(doubts), tuple(sorted(by)))


def _by_one(predicate_type: str, answers: list[Said], evidence: Evidence) -> Problem | str:
    """What is wrong where one accepted attestation is enough: a problem, a doubt, or nothing."""
    if "yes" in answers:
        return ""
    if "undecided" in answers:
        return f"the rule for {predicate_type} could not be evaluated"
    return _missing(predicate_type, len(answers), evidence)


def _by_all(predicate_type: str, answers: list[Said], evidence: Evidence) -> Problem | str:
    """The same where every one has to be accepted: then those matter that were not seen."""
    refused = answers.count("no")
    if refused:
        message = (
            f"{refused} of {len(answers)} attestations {predicate_type} do not satisfy the policy's rule, as all must"
        )
        return Problem(ATTESTATION, message, "look at the predicates (govgate verify -o json); make another artifact")
    if "undecided" in answers:
        return f"the rule for {predicate_type} could not be evaluated"
    if not evidence.complete:
        return f"there may be more attestations {predicate_type}, all of which must satisfy the policy's rule"
    return ""


def _signatures(trust: Trust, evidence: Evidence, by: set[int]) -> Iterator[Problem]:
    """Only what says "I sign this" is a signature: an attestation by the right signer is none."""
    signers: dict[str, list[int]] = {authority.name: [] for authority in trust.authorities}
    for index, one in enumerate(evidence.signed):
        if one.is_signature and one.authority in signers and one.format in trust.policy.formats:
            signers[one.authority].append(index)
    missing = [name for name, indexes in signers.items() if not indexes]
    if len(missing) < len(signers) and (trust.policy.match == "any" or not missing):
        by.update(index for indexes in signers.values() for index in indexes)
        return
    message, remedy = _why(evidence.rejected, any(not one.is_signature for one in evidence.signed))
    whose = " and ".join(missing) if trust.policy.match == "all" else " or ".join(missing)
    yield Problem(SIGNATURE, f"not signed by {whose}: {message}", remedy)


def _why(rejected: tuple[Rejected, ...], attested: bool) -> tuple[str, str]:
    if not rejected:
        found = "there are attestations, but no signature" if attested else "no signature was found"
        return found, "sign it, and push the signature to the same repository"
    texts = [f"{one.step}: {one.reason}" for one in rejected]
    shown = list(dict.fromkeys(texts))[:_MAX_REJECTED]
    more = len(dict.fromkeys(texts)) - len(shown)
    count = len({(one.source, one.format) for one in rejected})
    head = f"{count} found, not accepted" if count > 1 else "one found, not accepted"
    return f"{head}: {'; '.join(shown)}{f' (and {more} more)' if more > 0 else ''}", rejected[0].remedy


def _missing(predicate_type: str, refused: int, evidence: Evidence) -> Problem:
    if refused:
        return Problem(
            ATTESTATION,
            f"none of {refused} attestations {predicate_type} satisfies the policy's rule",
            "look at the predicate (govgate verify -o json) and at the rule",
        )
    message, remedy = _why(evidence.rejected, attested=False)
    if not evidence.rejected:
        message, remedy = "there is none by whom the policy trusts", "attest it, and push that to the same repository"
    return Problem(ATTESTATION, f"attestation {predicate_type}: {message}", remedy)


def _attesting(trust: Trust, evidence: Evidence, number: int) -> Iterator[tuple[int, Signed]]:
    wanted = trust.policy.attestations[number]
    names = set(wanted.authorities) or {authority.name for authority in trust.authorities}
    for index, one in enumerate(evidence.signed):
        if one.predicate_type == wanted.predicate_type and one.authority in names:
            yield index, one
