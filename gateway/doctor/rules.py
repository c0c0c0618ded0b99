"""The rules of ``govgate doctor``: what each finds, how bad that is, and what puts it right. docs/doctor.md has them all."""

from __future__ import annotations

import msgspec

from gateway.core.canonical import sha256_digest
from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from policies.rule import RuleInfo

GUARD = "doctor"


class Rule(msgspec.Struct, frozen=True):
    """``remedy``: what to do, for a person; a finding may say it more exactly."""

    id: str
    title: str
    severity: Severity
    action: Action
    remedy: str

    @property
    def info(self) -> RuleInfo:
        """As reports show it."""
        return RuleInfo(self.id, self.title, self.severity, self.action, description=self.remedy, sets=(GUARD,))


class Undecided(msgspec.Struct, frozen=True):
    """A check that could not be made. ``about``: what it is about, ``reason``: why not."""

    rule: str
    about: str
    reason: str


Result = Finding | Undecided

_DENY, _WARN, _AUDIT = Action.DENY, Action.WARN, Action.AUDIT
_CRITICAL, _HIGH, _MEDIUM, _LOW = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW
_TAKE = "Take the right away, or give it to that account's own administrators only"

_ALL = (
    Rule("full-access", "Somebody has every right", _MEDIUM, _WARN,
         "Keep such bindings for emergencies: whoever has it can act as any reconciler, and take govgate out"),
    Rule("become-full-access", "Somebody may become one who has every right", _HIGH, _WARN,
         "Take the right away; or bind that account to less, in a namespace where nobody but its administrators runs Pods"),
    Rule("impersonate-reconciler", "Somebody may impersonate an account that may change what Git declares", _HIGH, _WARN, _TAKE),
    Rule("impersonate-group", "Somebody may impersonate a group that may do everything, or act for a reconciler", _HIGH, _WARN,
         "Limit the right by resourceNames to groups that may do less"),
    Rule("impersonate-identity", "Somebody may impersonate UIDs or extra attributes of users", _LOW, _AUDIT,
         "Limit the right by resourceNames; what is signed with them appears so in audit logs"),
    Rule("mint-token", "Somebody may get a token of an account that may change what Git declares", _HIGH, _WARN, _TAKE),
    Rule("run-as-reconciler", "Somebody may run a program as an account that may change what Git declares", _HIGH, _WARN,
         "Let nobody but its administrators write Pods, workloads or into running containers in the reconciler's namespace"),
    Rule("escalate", "Somebody may give himself any role", _HIGH, _WARN,
         "Take `escalate` and `bind` away, or limit `bind` by resourceNames to roles that are harmless"),
    Rule("become-gateway", "Somebody may act as govgate", _HIGH, _WARN,
         "Take the right away: as the webhook's account one counts uses and notes approvals, as the controller's one reads Secrets"),
    Rule("break-glass-approve", "Somebody may approve break-glass", _MEDIUM, _WARN,
         "Accept those who are meant to (doctor.accepted), and take it from everybody else"),
    Rule("break-glass-request", "Somebody may ask for break-glass", _LOW, _AUDIT,
         "Bind the verb `request` in the namespaces that one is responsible for"),
    Rule("break-glass-status", "Somebody may write the status of break-glass grants", _LOW, _AUDIT,
         "Leave it to those who ask and approve: the webhook decides what they may write, while it is asked"),
    Rule("impersonate-approver", "Somebody may be two people for break-glass", _HIGH, _WARN,
         "Take the right to impersonate away, or the verb `approve`"),
    Rule("accepted-unused", "What was accepted is not there", _LOW, _WARN,
         "Take it out of doctor.accepted: else it would accept the right once somebody has it again"),
    Rule("own-kinds-unguarded", "Grants and waivers may be written while govgate does not answer", _MEDIUM, _WARN,
         "Register the guards of drift, policy and provenance with failurePolicy Fail; after an outage look through what was written"),
    Rule("grant-unseen", "A break-glass grant was approved past govgate", _HIGH, _DENY,
         "It lets nothing through. Find out in the API server's audit log who wrote its status, and revoke it"),
    Rule("write-registration", "Somebody may change or remove the registration", _MEDIUM, _WARN,
         "Leave it to those who are on call: it is also the emergency exit. Have it watched: server.registration"),
    Rule("write-gateway", "Somebody may change what is in govgate's own namespace", _HIGH, _WARN,
         "Let nobody but govgate's administrators write there: what is in it is not judged, and can replace govgate"),
    Rule("registration-missing", "The API server does not ask govgate", _HIGH, _DENY,
         "Install the chart, or apply what `govgate webhook-config` prints"),
    Rule("registration-changed", "The registration is not what was asked for", _HIGH, _DENY,
         "Apply the chart's registration again, or what `govgate webhook-config` prints"),
    Rule("registration-own-namespace", "govgate's own namespace is asked about", _CRITICAL, _DENY,
         "Exclude it by namespaceSelector: a govgate that is down could not be started again"),
    Rule("registration-recovery", "What a cluster needs to come up again is asked about", _HIGH, _DENY,
         "Take the matchConditions that `govgate webhook-config` prints"),
    Rule("registration-endpoints", "Too few replicas are ready", _HIGH, _DENY,
         "See why the Pods are not ready; have three replicas with failurePolicy Fail"),
    Rule("registration-timeout", "The time-out leaves too little time to judge", _MEDIUM, _WARN,
         "Raise timeoutSeconds, or lower server.limits.deadlineMarginSeconds"),
    Rule("registration-conditions", "The API server would not take the registration", _HIGH, _DENY,
         "Repair what the API server names"),
    Rule("registration-trust", "The API server does not believe the certificate that is served", _CRITICAL, _DENY,
         "Put the authority that signed it into caBundle; with the chart, see the controller's log"),
    Rule("scale-unreadable", "Something may be scaled that govgate cannot read", _MEDIUM, _WARN,
         "Let govgate's account `get` these types (the chart's rbac.scaledKinds), or name who scales them in drift.autoscalers"),
    Rule("webhook-blocks-start", "Another webhook keeps govgate's Pods from starting", _CRITICAL, _DENY,
         "Exclude govgate's namespace in that webhook's namespaceSelector"),
    Rule("webhook-before-start", "govgate's Pods start only while another webhook answers", _LOW, _AUDIT,
         "Exclude govgate's namespace in that webhook's namespaceSelector"),
    Rule("certificate-expired", "A certificate is not valid now", _CRITICAL, _DENY,
         "Renew it; with the chart's own certificates, delete the Secret to have another one made"),
    Rule("certificate-expires", "A certificate ends within days", _HIGH, _WARN,
         "See why nobody renewed it: the log of the controller, or cert-manager's Certificate"),
    Rule("clock-skew", "Clocks differ", _MEDIUM, _WARN,
         "Synchronise them (NTP): certificates, grants and waivers hold by the clock"),
    Rule("store-unreachable", "A store of secrets does not answer", _HIGH, _DENY, "Repair the way to it, or its credentials"),
    Rule("rules-differ", "Replicas or workers judge by different rules", _HIGH, _DENY,
         "See /readyz?verbose of the replica that differs: a configuration or bundle that it could not load, or has not yet"),
    Rule("replica-silent", "A replica does not tell its rules", _MEDIUM, _WARN,
         "See the Pod's log; it must be of this version, and its health port reachable for the API server"),
    Rule("failed-open", "Requests were let through unjudged", _HIGH, _DENY,
         "See why govgate did not answer then; failurePolicy Fail lets nothing through"),
)  # fmt: skip

RULES = {f"{GUARD}/{rule.id}": rule for rule in _ALL}
DIGEST = sha256_digest(msgspec.json.encode(_ALL))
"""Of the rules that doctor looks by; not of those that govgate judges by."""
INFOS = {name: msgspec.structs.replace(rule.info, id=name) for name, rule in RULES.items()}


def found(
    rule: str,
    about: Resource,
    message: str,
    *,
    field: str = "",
    remedy: str = "",
    severity: Severity | None = None,
    action: Action | None = None,
    exception: str | None = None,
) -> Finding:
    """A finding of ``doctor/RULE``, as bad as the rule says where nothing else is given."""
    name = f"{GUARD}/{rule}"
    stated = RULES[name]
    return Finding(
        finding_id(name, about, field),
        name,
        severity or stated.severity,
        action or stated.action,
        GUARD,
        about,
        field,
        message,
        remedy or stated.remedy,
        exception=exception,
    )


def undecided(rule: str, about: str, reason: str) -> Undecided:
    """The check ``doctor/RULE`` could not be made."""
    return Undecided(f"{GUARD}/{rule}", about, reason)
