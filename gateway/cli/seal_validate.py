"""``govgate seal validate``: SealedSecrets, offline, with private keys, or by the controller."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cyclopts import Parameter

from gateway.ci.inputs import STDIN, Content, Problem, contents
from gateway.ci.report import REPORTERS, Format
from gateway.ci.report.words import totals
from gateway.ci.run import Run
from gateway.cli import exits
from gateway.cli.output import say
from gateway.cli.parameters import InputPath
from gateway.core.finding import Action, Finding, Location, Resource
from gateway.core.guard import OnError
from gateway.native.library import NativeMissingError
from gateway.native.manifests import lines_of
from gateway_secrets.sealed import hybrid
from gateway_secrets.sealed.certificate import now_utc
from gateway_secrets.sealed.checks import GUARD, RULES, Facts, check_sealed, finding_of
from gateway_secrets.sealed.documents import objects, read_documents
from gateway_secrets.sealed.errors import InputError, SealError
from gateway_secrets.sealed.files import read_file
from gateway_secrets.sealed.keys import read_keys, unique
from gateway_secrets.sealed.objects import API_VERSION, KIND, Sealed, sealed_of
from gateway_secrets.sealed.registry import entry_of, load
from gateway_secrets.sealed.scope import label_of
from policies.rule import RuleInfo


class Found(msgspec.Struct, frozen=True):
    """One SealedSecret in a file. ``line``: where its document begins; ``end``: where the next one does, 0 for the last."""

    path: str
    line: int
    end: int
    file: bytes
    value: dict[str, Any]

    def text(self) -> bytes:
        """The document's own text."""
        return b"\n".join(_lines(self.file)[self.line - 1 : self.end - 1 if self.end else None])


@lru_cache(maxsize=1)
def _lines(file: bytes) -> list[bytes]:
    return file.split(b"\n")


def validate(
    *paths: InputPath,
    key: Annotated[tuple[Path, ...], Parameter(name=["--key"], negative=())] = (),
    controller: str = "",
    cert: Annotated[tuple[str, ...], Parameter(name=["--cert"], negative=())] = (),
    warn_days: int = 30,
    output: Annotated[Format, Parameter(name=["--output", "-o"])] = "table",
    fail_on: Literal["deny", "warn"] = "deny",
) -> int:
    """Check SealedSecrets: their structure, scope and names, and whether their certificates expire.

    Without --key or --controller nothing is opened and nobody is asked. Exit code 3 when something is wrong, 2 for
    warnings with --fail-on warn, 1 when something could not be read.

    Parameters
    ----------
    paths
        Files, folders (with all below them), globs, or - for standard input. What is no SealedSecret is passed over.
    key
        Private keys that must open every value: PEM, or the controller's key Secrets; repeatable.
    controller
        The address of a controller that must be able to open every object (its /v1/verify).
    cert
        A certificate, file or URL, that every value must be sealed with, as far as it is noted; repeatable.
    warn_days
        Warn about certificates that expire within so many days.
    output
        table for people; json and yaml for programs; sarif, junit, github, gitlab, markdown for what shows findings.
    fail_on
        What makes the command fail.
    """
    keys = unique(one for path in key for one in read_keys(read_file(path).data, source=str(path)))
    clusters = asyncio.run(load([entry_of(name) for name in cert])) if cert else []
    fingerprints = frozenset(one.certificate.fingerprint for one in clusters)
    run = _begin(warn_days, fingerprints, keys, controller)
    found = [one for batch in contents(paths or (STDIN,)) for content in batch for one in _found(run, content)]
    refused = _refused(controller, found) if controller and found else set()
    for index, one in enumerate(found):
        facts = Facts(now_utc(), warn_days, fingerprints)
        _add(run, one, _findings(one, facts, keys, refused=index in refused))
    sys.stdout.write(REPORTERS[output](run))
    for problem in run.problems if output in {"table", "json", "yaml"} else ():
        say(str(problem))
    print(totals(run), file=sys.stderr)
    if run.problems:
        return exits.FAILED
    if run.denied:
        return exits.DENIED
    return exits.WARNED if run.warned and fail_on == "warn" else exits.CLEAN


def _begin(days: int, fingerprints: frozenset[str], keys: Sequence[RSAPrivateKey], controller: str) -> Run:
    """A run whose digest says what decided: the checks, and what they were given."""
    infos = {
        f"{GUARD}/{name}": RuleInfo(f"{GUARD}/{name}", rule.title, rule.severity, rule.action, kinds=(KIND,))
        for name, rule in RULES.items()
    }
    public = sorted(str(key.public_key().public_numbers().n) for key in keys)
    decides = msgspec.json.encode((sorted(infos), days, sorted(fingerprints), public, bool(controller)))
    return Run("sha256:" + hashlib.sha256(decides).hexdigest(), infos, OnError.DENY)


def _found(run: Run, content: Content | Problem) -> Iterator[Found]:
    if isinstance(content, Problem):
        _problem(run, content)
        return
    try:
        documents = read_documents(content.data, source=content.path)
        ends = [*(document.line for document in documents[1:]), 0]
        for document, end in zip(documents, ends, strict=True):
            if not isinstance(document.value, dict) or "kind" not in document.value:
                run.summary.skipped += 1
                continue
            for value in objects(document, source=content.path):
                if value["kind"] == KIND:
                    yield Found(content.path, document.line, end, content.data, value)
    except InputError as error:
        if b"SealedSecret" in content.data or content.path == "standard input":
            _problem(run, _told(content.path, str(error)))


def _told(path: str, text: str) -> Problem:
    """A problem from an error's text, which begins with path and line."""
    line, colon, message = text.removeprefix(f"{path}:").partition(": ")
    return Problem(path, int(line), message) if colon and line.isdecimal() else Problem(path, 0, text)


def _problem(run: Run, problem: Problem) -> None:
    run.problems.append(problem)
    run.summary.problems += 1


def _findings(one: Found, facts: Facts, keys: Sequence[RSAPrivateKey], *, refused: bool) -> list[Finding]:
    try:
        sealed = sealed_of(one.value, where="the object")
    except InputError as error:
        return [finding_of("structure", _resource(one.value), "", str(error))]
    opened: Mapping[str, bool] | None = None
    if keys:
        opened = {key: _opens(sealed, text, keys) for key, text in sealed.values.items()}
    findings = check_sealed(sealed, msgspec.structs.replace(facts, opened=opened))
    if refused:
        findings.append(finding_of("opens", _resource(one.value), "", "the controller cannot open it"))
    return findings


def _opens(sealed: Sealed, text: str, keys: Sequence[RSAPrivateKey]) -> bool:
    try:
        hybrid.unseal(keys, hybrid.decode(text), label_of(sealed.scope, sealed.namespace, sealed.name))
    except SealError:
        return False
    return True


def _refused(controller: str, found: Sequence[Found]) -> set[int]:
    from gateway_secrets.sealed.remote import verify  # noqa: PLC0415 - slow to import, and seldom needed

    answers = asyncio.run(verify(controller, [one.value for one in found]))
    return {index for index, good in enumerate(answers) if not good}


def _add(run: Run, one: Found, findings: Sequence[Finding]) -> None:
    try:
        lines = lines_of(one.text(), [finding.field for finding in findings]) if findings else []
    except NativeMissingError:
        lines = [1] * len(findings)
    run.findings += [
        msgspec.structs.replace(finding, location=Location(one.path, one.line + line - 1))
        for finding, line in zip(findings, lines, strict=True)
    ]
    run.summary.judged += 1
    run.summary.denied += any(finding.action is Action.DENY for finding in findings)
    run.summary.warned += any(finding.action is Action.WARN for finding in findings)


def _resource(value: Mapping[str, Any]) -> Resource:
    metadata = value.get("metadata")
    held = metadata if isinstance(metadata, dict) else {}
    return Resource(API_VERSION, KIND, str(held.get("namespace") or ""), str(held.get("name") or ""))
