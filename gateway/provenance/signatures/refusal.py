"""Why a candidate is not accepted, raised where it is found out and made a Rejected by the caller."""

from __future__ import annotations

from gateway.core.errors import GovgateError
from gateway.provenance.evidence import Step


class RefusedError(GovgateError):
    """One candidate, or one authority's look at it, ends here: the step, why, and what a person can do."""

    def __init__(self, step: Step, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.step: Step = step
        self.reason = reason
        self.remedy = remedy
