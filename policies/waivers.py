"""PolicyWaiver: findings that are accepted for a while, by someone other than whoever asked for it.

Pure: what a waiver covers at a given time, and who may write what into one. A finding that is waived is kept, and names
its waiver. The waiver's ``spec`` is written by its author, or by a reconciler from Git; its approval lies in ``status``,
which reconcilers leave alone, and names the very spec that was approved.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.core.errors import ConfigError
from gateway.core.finding import Finding
from gateway.core.subject import Json
from policies.builtin import kind_matches

API_VERSION = "govgate.dev/v1alpha1"
KIND = "PolicyWaiver"
MAX_LIFETIME = timedelta(days=365)

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
    expires: datetime


class Approval(_Part, frozen=True):
    """By whom, of which spec (its digest)."""

    approver: str = ""
    spec_digest: str = ""


class Waiver(msgspec.Struct, frozen=True):
    """One PolicyWaiver: it holds in its own namespace alone; ``namespace`` is empty for cluster-scoped objects."""

    namespace: str
    name: str
    spec: Spec
    approval: Approval

    @property
    def id(self) -> str:
        """As findings name it."""
        return f"policywaiver/{self.namespace}/{self.name}" if self.namespace else f"policywaiver/{self.name}"

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


def read_waiver(document: Json, *, source: str) -> Waiver:
    """The waiver that a PolicyWaiver object states.

    Raises:
        ConfigError: it is not one that can hold; names ``source`` and what is wrong.
    """
    metadata = document.get("metadata") or {}
    try:
        spec = msgspec.convert(document.get("spec"), Spec)
        approval = msgspec.convert((document.get("status") or {}).get("approval") or {}, Approval)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: PolicyWaiver: {error}") from None
    for rule in spec.rules:
        if not _RULE.match(rule):
            raise ConfigError(f"{source}: PolicyWaiver: spec.rules: {rule}: name a rule, or a category with a glob")
    if spec.expires.tzinfo is None:
        raise ConfigError(f"{source}: PolicyWaiver: spec.expires has no time zone")
    return Waiver(str(metadata.get("namespace", "")), str(metadata.get("name", "")), spec, approval)


def apply_waivers(findings: Iterable[Finding], waivers: Sequence[Waiver], now: datetime) -> list[Finding]:
    """The same findings, each that an active waiver covers with its name as ``exception``."""
    active = sorted((w for w in waivers if w.state(now) == "active"), key=lambda waiver: waiver.id)
    return [_waived(finding, active) for finding in findings]


def spec_digest(spec: Spec) -> str:
    """What an approval names: any change of the spec needs another one."""
    return "sha256:" + hashlib.sha256(msgspec.json.encode(spec, order="deterministic")).hexdigest()


def violations(
    old: Waiver | None, new: Waiver, *, user: str, author: str, may_approve: bool, now: datetime
) -> list[str]:
    """Why this write of a waiver is refused; empty if it is not.

    Args:
        old: as it was, None if it is created.
        new: as it would be.
        user: who writes.
        author: who created it; empty while it is created.
        may_approve: whether the user holds the verb ``approve`` for waivers there.
        now: the time of the request.
    """
    found: list[str] = []
    changed = old is None or old.spec != new.spec
    if changed and new.spec.expires > now + MAX_LIFETIME:
        found.append(f"spec.expires: at most {MAX_LIFETIME.days} days ahead")
    if changed and new.spec.expires <= now:
        found.append("spec.expires is in the past")
    if new.approval == (old.approval if old is not None else Approval()) or not new.approval.approver:
        return found
    if new.approval.approver != user:
        found.append("status.approval.approver: nobody approves in another one's name")
    if old is None or user == author:
        found.append("status.approval: a waiver is approved by someone other than its author")
    if not may_approve:
        found.append("status.approval: you may not approve waivers here (verb approve on policywaivers.govgate.dev)")
    if new.approval.spec_digest != spec_digest(new.spec):
        found.append("status.approval.specDigest is not that of the spec: it changed meanwhile")
    return found


def now_utc() -> datetime:
    """The present."""
    return datetime.now(UTC)


def _waived(finding: Finding, active: Sequence[Waiver]) -> Finding:
    waiver = next((waiver for waiver in active if waiver.covers(finding)), None)
    return finding if waiver is None else msgspec.structs.replace(finding, exception=waiver.id)


def _any(patterns: Iterable[str], text: str) -> bool:
    return any(_glob(pattern).fullmatch(text) for pattern in patterns)


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    """``*`` and ``?`` alone: the brackets of a field path are no character class."""
    steps = {"*": ".*", "?": "."}
    return re.compile("".join(steps.get(c) or re.escape(c) for c in pattern), re.DOTALL)
