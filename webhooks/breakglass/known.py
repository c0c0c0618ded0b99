"""What break-glass finds, about grants and under them."""

from __future__ import annotations

from gateway.core.finding import Action, Severity
from gateway.core.known_rule import KnownRule, by_id
from webhooks.breakglass.grant import KIND

GUARD = "break-glass"
GOVERNED, SELF_APPROVED, ACKNOWLEDGED = f"{GUARD}/governed", f"{GUARD}/self-approved", f"{GUARD}/acknowledged"
USED, NOT_IN_FORCE, NOT_IN_GIT = f"{GUARD}/used", f"{GUARD}/not-in-force", f"{GUARD}/not-in-git"

_EVERY = ("CREATE", "UPDATE", "DELETE")
RULES = by_id(
    KnownRule(
        GOVERNED,
        "Grants are asked for, approved and used by who may, and no record of them is lost",
        Severity.HIGH,
        Action.DENY,
        (KIND,),
        _EVERY,
    ),
    KnownRule(
        SELF_APPROVED, "In an emergency somebody approved a grant of their own", Severity.CRITICAL, Action.WARN, (KIND,)
    ),
    KnownRule(
        ACKNOWLEDGED,
        "Somebody took note of a change that may not be in Git",
        Severity.HIGH,
        Action.AUDIT,
        (KIND,),
        ("UPDATE", "DELETE"),
    ),
    KnownRule(USED, "A grant let a request through that was denied", Severity.HIGH, Action.WARN, operations=_EVERY),
    KnownRule(
        NOT_IN_FORCE,
        "A grant is about a request that was denied, and does not hold",
        Severity.INFO,
        Action.AUDIT,
        operations=_EVERY,
    ),
    KnownRule(NOT_IN_GIT, "What was changed under a grant is in Git", Severity.HIGH, Action.WARN),
)
