"""PolicyWaivers: findings that are accepted for a while, by someone other than whoever asked for it.

Pure: what a waiver covers at a given time. A finding that is waived is kept, and names its waiver. The waiver's ``spec``
is written by who asks, or by a reconciler from Git; its approval lies in ``status``, which reconcilers leave alone, and
names the very spec that was approved. Who may write what: :mod:`policies.waiver_rules`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.core.errors import ConfigError
from gateway.core.finding import Finding
from gateway.core.subject import Json
from policies.builtin import kind_matches

API_VERSION = "govgate.dev/v1alpha1"
GROUP = "govgate.dev"
KINDS = ("PolicyWaiver", "ClusterPolicyWaiver")
"""For the objects of one namespace; for those in no namespace."""

_Text = Annotated[str, Meta(min_length=1, max_length=1_000)]
_RULE = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._*?-]+)+\Z")


class _Part(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class Match(_Part, frozen=True):
    """Which objects. ``kinds`` are ``group/Kind`` (the core group without one), ``names`` and ``fields`` are globs."""

    kinds: Annotated[tuple[str, ...], Meta(min_length=1)]
    names: Annotated[tuple[str, ...], Meta(min_length=1)]
    fields: tuple[str, ...] = ("*",)


class Spec(_Part, frozen=True):
    """What is accepted, why, and until when. ``rules``: ids, with a glob at most after the category."""

    rules: Annotated[tuple[str, ...], Meta(min_length=1)]
    match: Match
    reason: _Text
    ticket: _Text
    requested_by: _Text
    expires: datetime


class Approval(_Part, frozen=True):
    """By whom, of which spec (its digest)."""

    approver: str = ""
    spec_digest: str = ""


class Waiver(msgspec.Struct, frozen=True):
    """One PolicyWaiver, which holds in its own namespace alone, or ClusterPolicyWaiver, whose ``namespace`` is empty, and
    which holds for cluster-scoped objects alone.
    """

    namespace: str
    name: str
    spec: Spec
    approval: Approval

    @property
    def id(self) -> str:
        """As findings name it."""
        return f"policywaiver/{self.namespace}/{self.name}" if self.namespace else f"clusterpolicywaiver/{self.name}"

    def state(self, now: datetime) -> str:
        """``active``, ``expired`` or ``unapproved``."""
        if self.spec.expires <= now:
            return "expired"
        approved = self.approval.approver and self.approval.spec_digest == spec_digest(self.spec)
        return "active" if approved else "unapproved"

    def covers(self, finding: Finding) -> bool:
        """Whether the finding is one that this waiver is about, whatever its state."""
        about, spec = finding.resource, self.spec
        group = about.api_version.rpartition("/")[0]
        return (
            about.namespace == self.namespace
            and _any(spec.rules, finding.rule)
            and any(kind_matches(kind, group, about.kind) for kind in spec.match.kinds)
            and _any(spec.match.names, about.name)
            and _any(spec.match.fields, finding.field)
        )


def is_waiver(document: Json) -> bool:
    """Whether a document is one of :data:`KINDS`, of whatever version."""
    return str(document.get("apiVersion", "")).startswith(f"{GROUP}/") and document.get("kind") in KINDS


def read_waiver(document: Json, *, source: str) -> Waiver:
    """The waiver that an object of :data:`KINDS` states.

    Raises:
        ConfigError: it is not one that can hold; names ``source`` and what is wrong.
    """
    kind = str(document.get("kind", ""))
    where = f"{source}: {kind}"
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    status = document.get("status")
    approval = status.get("approval") if isinstance(status, dict) else None
    try:
        spec = msgspec.convert(document.get("spec"), Spec)
        approved = msgspec.convert(approval or {}, Approval)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}") from None
    for rule in spec.rules:
        if not _RULE.match(rule):
            raise ConfigError(f"{where}: spec.rules: {rule}: name a rule, or a category with a glob")
    if spec.expires.tzinfo is None:
        raise ConfigError(f"{where}: spec.expires has no time zone")
    namespace = str(metadata.get("namespace") or "")
    if (kind == "PolicyWaiver") != bool(namespace):
        raise ConfigError(f"{where}: metadata.namespace: a PolicyWaiver has one, a ClusterPolicyWaiver has none")
    return Waiver(namespace, str(metadata.get("name") or ""), spec, approved)


class Waivers:
    """Waivers that are given, applied at one time. What they leave is in ``pending`` and ``used``.

    ``used``: ids of waivers in force that covered a finding. ``pending``: ids of those that cover one, but do not hold,
    with their state.
    """

    def __init__(self, waivers: Sequence[Waiver], now: datetime) -> None:
        self.waivers = tuple(sorted(waivers, key=lambda waiver: waiver.id))
        self.now = now
        self.used: set[str] = set()
        self.pending: dict[str, str] = {}

    def apply(self, findings: Sequence[Finding]) -> list[Finding]:
        """The same findings, each that a waiver in force covers with its name."""
        if not self.waivers or not findings:
            return list(findings)
        found = apply_waivers(findings, self.waivers, self.now)
        self.used.update(finding.exception for finding in found if finding.exception)
        for finding in found:
            if finding.exception is None:
                idle = (waiver for waiver in self.waivers if waiver.covers(finding))
                self.pending |= {waiver.id: waiver.state(self.now) for waiver in idle}
        return found


def apply_waivers(findings: Iterable[Finding], waivers: Sequence[Waiver], now: datetime) -> list[Finding]:
    """The same findings, each that an active waiver covers with its name as ``exception``."""
    active = sorted((w for w in waivers if w.state(now) == "active"), key=lambda waiver: waiver.id)
    return [_waived(finding, active) for finding in findings]


def spec_digest(spec: Spec) -> str:
    """What an approval names: any change of the spec needs another one."""
    return "sha256:" + hashlib.sha256(msgspec.json.encode(spec, order="deterministic")).hexdigest()


def now_utc() -> datetime:
    """The present."""
    return datetime.now(UTC)


def _waived(finding: Finding, active: Sequence[Waiver]) -> Finding:
    if finding.exception is not None:
        return finding
    waiver = next((waiver for waiver in active if waiver.covers(finding)), None)
    return finding if waiver is None else msgspec.structs.replace(finding, exception=waiver.id)


def _any(patterns: Iterable[str], text: str) -> bool:
    return any(_glob(pattern).fullmatch(text) for pattern in patterns)


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    """``*`` and ``?`` alone: the brackets of a field path are no character class."""
    steps = {"*": ".*", "?": "."}
    return re.compile("".join(steps.get(c) or re.escape(c) for c in pattern), re.DOTALL)
