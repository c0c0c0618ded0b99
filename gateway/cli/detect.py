"""``govgate detect``: credentials in plain text, in manifests and any other file, before they are pushed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from gateway.ci import baseline as baselines
from gateway.ci.changed import changed_files
from gateway.ci.detected import Files
from gateway.ci.detection import Job, count, look_back
from gateway.ci.detection import detect as run_detection
from gateway.ci.report import Format
from gateway.ci.run import Run
from gateway.cli.check import finish
from gateway.cli.output import say
from gateway.cli.parameters import InputPath
from gateway.cli.progress import Progress
from gateway.config import load_config
from gateway.core.errors import UsageError

_UNREVIEWED = "not reviewed: it was there when the baseline was written"


def detect(
    *paths: InputPath,
    output: Annotated[Format, Parameter(name=["--output", "-o"])] = "table",
    changed_since: str = "",
    history: Annotated[bool, Parameter(negative=())] = False,
    exclude: Annotated[tuple[str, ...], Parameter(name=["--exclude"], negative=())] = (),
    baseline: Path | None = None,
    write_baseline: Annotated[bool, Parameter(negative=())] = False,
    reason: str = "",
    fix: Annotated[bool, Parameter(negative=())] = False,
    cert: str = "",
    no_suppressions: Annotated[bool, Parameter(negative=())] = False,
    config: Path | None = None,
    fail_on: Literal["deny", "warn"] = "deny",
) -> int:
    """Find credentials in plain text: Secrets, settings, tokens, private keys, in files, folders, globs, or - (stdin).

    Kubernetes objects are read as such. What is sealed, encrypted by SOPS, age or PGP, or refers to a store is
    recognised by its structure and never reported. No output holds a value, nor a part of one. Exit code 3 when a
    credential is found, 2 for what may be one with --fail-on warn, 1 when something could not be read.

    Parameters
    ----------
    paths
        Files, folders (with all below them, hidden ones too), globs, or -.
    output
        table for people; json and yaml for programs; sarif, junit, github, gitlab, markdown for what shows findings.
    changed_since
        A Git revision: of the files, only those that differ from where it and HEAD parted, or are not committed yet.
    history
        With --changed-since, look at what each commit since then wrote, too: what was taken out again has been pushed.
    exclude
        A glob of paths that are left out; repeatable.
    baseline
        A file of findings that are accepted, each with a reason and a date. What has lapsed counts again.
    write_baseline
        Write what is found to --baseline, for 90 days; entries that are there and hold stay as they are.
    reason
        With --write-baseline, the reason of new entries.
    fix
        Seal plaintext Secrets where they stand, encrypt files that a rule of .sops.yaml is about; then report what is
        left.
    cert
        With --fix, the certificate to seal with: a file or an address; else SEALED_SECRETS_CERT names it.
    no_suppressions
        Take no notice of comments (govgate:ignore) in the files.
    config
        The configuration file; else GOVGATE_CONFIG names it, else the embedded defaults hold.
    fail_on
        What makes the command fail.
    """
    if not paths:
        raise UsageError("name at least one file or folder, or - for standard input")
    if write_baseline and baseline is None:
        raise UsageError("--write-baseline needs --baseline FILE: where to write it")
    if reason and not write_baseline:
        raise UsageError("--reason needs --write-baseline")
    if history and not changed_since:
        raise UsageError("--history needs --changed-since REVISION")
    known = _known(baseline, writing=write_baseline)
    job = Job(
        paths,
        load_config(config).config.check,
        only=changed_files(changed_since) if changed_since else None,
        exclude=(*exclude, *((baseline.name, f"*/{baseline.name}") if baseline is not None else ())),
        suppressions=not no_suppressions,
    )
    if cert and not fix:
        raise UsageError("--cert needs --fix")
    run = _looked(job)
    if fix:
        from gateway.cli.detect_fix import fix_files  # noqa: PLC0415 - sealing, and seldom needed

        accepted = baselines.apply(known, run.findings, _names(run), run.today).findings
        if fix_files(accepted, cert):
            run = _looked(job)
    if history:
        look_back(run, job, changed_since)
    if baseline is not None:
        _apply(run, known, baseline, write=write_baseline, reason=reason, whole=not changed_since)
    count(run)
    return finish(run, output, fail_on)


def _looked(job: Job) -> Run:
    progress = Progress("files")
    try:
        return run_detection(job, lambda run: progress.show(run.summary.judged, len(run.findings)))
    finally:
        progress.clear()


def _known(path: Path | None, *, writing: bool) -> baselines.Baseline:
    if path is None or (writing and not path.exists()):
        return baselines.Baseline()
    return baselines.read_baseline(path)


def _apply(run: Run, known: baselines.Baseline, path: Path, *, write: bool, reason: str, whole: bool) -> None:
    """Mark what is accepted, and say what of the baseline holds no longer. ``whole``: everything was looked at."""
    names = _names(run)
    if write:
        open_ones = [at for at, finding in enumerate(run.findings) if finding.exception is None]
        found, where = [run.findings[at] for at in open_ones], [names[at] for at in open_ones]
        known = baselines.renewed(known, found, where, reason or _UNREVIEWED, run.today)
        baselines.write_baseline(path, known)
        _say([f"{path}: {len(known.entries)} entries written"])
    applied = baselines.apply(known, run.findings, names, run.today)
    run.findings = applied.findings
    _say(
        f"{path}: {one.id} ({one.field or one.rule}) lapsed on {one.expires}: it counts again" for one in applied.lapsed
    )
    if whole:
        _say(f"{path}: {one.id} ({one.path} {one.field}) matches nothing: take it out" for one in applied.unused)


def _names(run: Run) -> list[str]:
    """The file of each finding, as baselines have it."""
    files = Files()
    return [files.name(finding.location.path) if finding.location else "" for finding in run.findings]


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)
