"""What an assessment says, as findings: the same in a pipeline and at admission."""

from __future__ import annotations

from gateway.core.finding import Action, Finding, Resource, finding_id
from gateway.provenance.trust.evaluate import RULES, Assessment
from gateway.provenance.trust.reading import Trust

GUARD = "provenance"


def findings_of(trust: Trust, assessment: Assessment, *, artifact: str, about: Resource, field: str) -> list[Finding]:
    """A finding for each problem, with the policy's mode for an action; ``artifact`` is the reference as it was resolved."""
    return [
        Finding(
            id=finding_id(problem.rule, about, f"{field} {trust.name}".strip()),
            rule=problem.rule,
            severity=RULES[problem.rule].severity,
            action=Action(trust.policy.mode),
            guard=GUARD,
            resource=about,
            field=field,
            message=f"{field}: {artifact}: {problem.message} (TrustPolicy {trust.name})".removeprefix(": "),
            remedy=problem.remedy,
        )
        for problem in assessment.problems
    ]
