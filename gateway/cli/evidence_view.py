"""Evidence for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from gateway.cli.output import print_document
from gateway.provenance.evidence import Evidence, Rejected, Signed

EvidenceFormat = Literal["table", "json", "yaml"]


def print_evidence(evidence: Evidence, output: EvidenceFormat) -> None:
    """Print what was verified and what was not; as JSON or YAML it is the evidence itself, to be judged again later."""
    if output != "table":
        print_document(msgspec.to_builtins(evidence), output)
        return
    print(evidence.artifact.digest)
    for signed in evidence.signed:
        _print("verified", _facts(signed))
    for rejected in evidence.rejected:
        _print("rejected", _refusal(rejected))
    if not evidence.signed and not evidence.rejected:
        print("  no signatures")


def _print(title: str, facts: Iterator[tuple[str, str]]) -> None:
    print(f"  {title}")
    for name, value in facts:
        print(f"    {name:<10}{value}")


def _facts(signed: Signed) -> Iterator[tuple[str, str]]:
    signer = signed.signer
    yield "by", f"key {signer.key}" if signer.key else f"{_line(signer.identity)} (issuer {_line(signer.issuer)})"
    if signed.is_signature:
        yield "says", "a signature"
    else:
        yield "says", f"an attestation, {_line(signed.predicate_type)}"
    yield "by time", f"{signed.time:%Y-%m-%dT%H:%M:%SZ}" if signed.time else "not proven"
    log = signed.log
    yield "in log", f"{_line(log.origin)}, index {log.index} ({log.kind})" if log else "none"
    yield from _origin(signed)


def _refusal(rejected: Rejected) -> Iterator[tuple[str, str]]:
    yield "step", rejected.step
    yield "reason", _line(rejected.reason)
    yield "remedy", _line(rejected.remedy)
    yield from _origin(rejected)


def _origin(item: Signed | Rejected) -> Iterator[tuple[str, str]]:
    yield "format", item.format
    if item.authority:
        yield "authority", item.authority
    if item.source:
        yield "found in", item.source


def _line(text: str) -> str:
    """On one line, with nothing that a terminal would act upon."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
