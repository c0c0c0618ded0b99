"""A run of ``detect``: files read in batches, looked at by :mod:`gateway_secrets.detect`, as findings of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch

import msgspec

from gateway import __version__
from gateway.ci.detected import INFOS, RULES, Files, findings_of
from gateway.ci.history import contents_of, versions
from gateway.ci.inputs import BATCH_BYTES, BATCH_FILES, STDIN, Content, Problem, all_files, read_content
from gateway.ci.looking import look
from gateway.ci.run import Run
from gateway.ci.suppressions import Suppression, apply, find
from gateway.config.check import Check
from gateway.core.canonical import sha256_digest
from gateway.core.finding import Action, Finding
from gateway.core.guard import OnError

_SNIFFED = 8192
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class Job(msgspec.Struct, frozen=True):
    """What is to be looked at. ``only``: of the files found, those with these absolute paths. ``exclude``: globs."""

    paths: Sequence[str]
    settings: Check
    only: frozenset[str] | None = None
    exclude: Sequence[str] = ()
    suppressions: bool = True


def detect(job: Job, progress: Callable[[Run], None]) -> Run:
    """Look at all that the paths name. ``progress`` is told after each batch.

    Raises:
        NativeMissingError: there is no library that reads YAML.
    """
    digest = sha256_digest(msgspec.json.encode((__version__, RULES)))
    run = Run(digest, dict(INFOS), OnError.ALLOW, skipping="binary files skipped")
    files = Files()
    for batch in _batches(job):
        for problem in batch:
            if isinstance(problem, Problem):
                run.problems.append(problem)
                run.summary.problems += 1
        texts = [text for one in batch if isinstance(one, Content) and (text := _text(one)) is not None]
        run.summary.judged += len(texts)
        run.summary.skipped += sum(isinstance(one, Content) for one in batch) - len(texts)
        for text, looked in zip(texts, look(texts), strict=True):
            found = findings_of(text, looked, files)
            if job.suppressions:
                found = _suppressed(run, text, [one.line for one in looked.documents], found, job.settings)
            run.findings += found
        progress(run)
    return run


def look_back(run: Run, job: Job, since: str) -> None:
    """Look at what the commits since a revision wrote, too, and add what is no longer in the files.

    Raises:
        GovgateError: Git cannot tell.
        NativeMissingError: there is no library that reads YAML.
    """
    known = {finding.id for finding in run.findings}
    files = Files()
    wanted = [one for one in versions(since, job.paths) if not _is_excluded(one.path, job.exclude)]
    for batch in contents_of(wanted):
        texts = [(version, text) for version, content in batch if (text := _text(content)) is not None]
        for (version, text), looked in zip(texts, look([text for _, text in texts]), strict=True):
            for finding in findings_of(text, looked, files):
                if finding.id not in known:
                    known.add(finding.id)
                    message = f"{finding.message}, in commit {version.commit[:12]} and no longer in the file"
                    run.findings.append(msgspec.structs.replace(finding, message=message))


def _is_excluded(path: str, exclude: Sequence[str]) -> bool:
    return any(fnmatch(path.removeprefix("./"), pattern) for pattern in exclude)


def count(run: Run) -> None:
    """Count files by the worst that was found in them, once everything that excepts has been applied."""
    denied, warned, excepted = set(), set(), set()
    for finding in run.findings:
        path = finding.location.path if finding.location else ""
        if finding.exception is not None:
            excepted.add(path)
        elif finding.action is Action.DENY:
            denied.add(path)
        else:
            warned.add(path)
    run.summary.denied, run.summary.warned, run.summary.excepted = len(denied), len(warned), len(excepted)


def _batches(job: Job) -> Iterator[list[Content | Problem]]:
    batch: list[Content | Problem] = []
    size = 0
    for name in all_files(job.paths, only=job.only):
        if isinstance(name, str) and _is_excluded(name, job.exclude):
            continue
        one = name if isinstance(name, Problem) else read_content(name, named=name in job.paths or name == STDIN)
        batch.append(one)
        size += len(one.data) if isinstance(one, Content) else 0
        if len(batch) >= BATCH_FILES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _text(content: Content) -> Content | None:
    """The file as UTF-8, None if it is no text. Other 8-bit encodings stay: what is looked for is ASCII."""
    encoding = _UTF16.get(content.data[:2])
    if encoding:
        data = content.data[2:].decode(encoding, errors="replace").encode()
        return msgspec.structs.replace(content, data=data)
    return None if b"\0" in content.data[:_SNIFFED] else content


def _suppressed(
    run: Run, content: Content, documents: Sequence[int], findings: list[Finding], settings: Check
) -> list[Finding]:
    if not settings.suppressions:
        return findings
    comments: list[Suppression] = [
        one
        for one in find(content.path, content.data, documents, settings, run.today)
        if any(rule.startswith("detect/") for rule in one.rules)
    ]
    run.suppressions += comments
    return apply(comments, findings)
