"""``govgate check``: the rules that hold in the cluster, over files, before anything is merged."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from gateway.ci.changed import changed_files
from gateway.ci.context import Snapshot, encode_snapshot, read_snapshot, waivers_of
from gateway.ci.inputs import Problem
from gateway.ci.job import Job, run_job
from gateway.ci.render import Renderer
from gateway.ci.report import REPORTERS, Format
from gateway.ci.report.words import printable, totals
from gateway.ci.run import Run
from gateway.ci.secret_objects import CAPTURED
from gateway.cli import exits
from gateway.cli.check_fix import Tried, fix_files, show_fixes, suggest_fixes
from gateway.cli.parameters import InputPath
from gateway.cli.progress import Progress
from gateway.cli.reports import wanted_reports, write_reports
from gateway.config import load_config
from gateway.config.files import write_whole
from gateway.config.model import Config
from gateway.core.errors import UsageError
from gateway.core.subject import UserInfo
from gateway.native.documents import JSON, PARSERS, YAML
from policies.loading import recognise
from policies.registry_bundles import fetch_bundles
from policies.sources import CLUSTER_GATEKEEPER, read_sources
from policies.waiver_files import read_waiver_files
from policies.waivers import Waiver, Waivers, now_utc

_MAX_ROUNDS = 4
_OLD = timedelta(days=7)


def check(
    *paths: InputPath,
    policies: Annotated[tuple[str, ...], Parameter(name=["--policies"], negative=())] = (),
    output: Annotated[Format, Parameter(name=["--output", "-o"])] = "table",
    report: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    namespace: Annotated[str, Parameter(name=["--namespace", "-n"])] = "",
    changed_since: str = "",
    render: Literal["auto", "never"] = "auto",
    helm_values: Annotated[tuple[str, ...], Parameter(name=["--helm-values"], negative=())] = (),
    kube_version: str = "",
    context: Path | None = None,
    capture_context: Annotated[bool, Parameter(negative=())] = False,
    file: Annotated[Path | None, Parameter(name=["--file", "-O"])] = None,
    parser: str = "",
    combine: Annotated[bool, Parameter(negative=())] = False,
    waivers: Annotated[tuple[Path, ...], Parameter(name=["--waivers"], negative=())] = (),
    no_suppressions: Annotated[bool, Parameter(negative=())] = False,
    user: str = "",
    group: Annotated[tuple[str, ...], Parameter(name=["--group"], negative=())] = (),
    config: Path | None = None,
    fail_on: Literal["deny", "warn"] = "deny",
    fix: Annotated[bool, Parameter(negative=())] = False,
    diff: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Judge manifests by the rules in force: files, folders, globs, or - for standard input. Rules as Conftest has them
    judge other structured files too: Dockerfile, HCL, TOML and more.

    Findings go to standard output, with file and line; totals and what could not be read, to standard error. Exit code
    3 when anything is denied, 2 for warnings with --fail-on warn, 1 when something could not be read.

    Parameters
    ----------
    paths
        Files, folders (with all below them), globs, or -.
    policies
        A folder of rules, a bundle (.tar.gz, oci://…) or a built-in set (builtin:NAME); repeatable. Without it, what the
        configuration names.
    output
        table for people; json and yaml for programs; sarif, junit, github, gitlab, markdown for what shows findings.
    report
        FORMAT=FILE: the findings in that format as well, into a file; repeatable.
    namespace
        The namespace of objects that name none.
    changed_since
        A Git revision: of the files, only those that differ from where it and HEAD parted, or are not committed yet.
    render
        auto judges what kustomizations and Helm charts stand for, by kustomize (or kubectl) and helm; never judges files
        as they lie.
    helm_values
        A values file for the charts; repeatable.
    kube_version
        The version of Kubernetes that charts are rendered for.
    context
        What the cluster knows beyond the manifests, as --capture-context wrote it: Namespaces, other objects, waivers.
    capture_context
        Write that, from the cluster that the configuration connects to, and judge nothing.
    file
        Where --capture-context writes; else standard output.
    parser
        Read all files so, whatever they are called: yaml, json, dockerfile, hcl2, toml, ini, dotenv, …
    combine
        Rules as Conftest has them see all files at once, as a list of {path, contents}.
    waivers
        Files with PolicyWaivers as the cluster has them (kubectl get policywaivers -A -o yaml); repeatable. What one in
        force covers is shown, and does not count.
    no_suppressions
        Take no notice of comments (govgate:ignore) in the manifests.
    user
        Who would apply the manifests, for rules that look at that: a user name, such as a reconciler's.
    group
        With --user, a group that the user is in; repeatable.
    config
        The configuration file; else GOVGATE_CONFIG names it, else the embedded defaults hold.
    fail_on
        What makes the command fail.
    fix
        Change the files as rules say that puts their findings right, and report what is left. Of files that are named,
        not of what is rendered from them.
    diff
        Print what --fix would change, instead of a report, and change nothing. The exit code is that of the files as they
        are.
    """
    loaded = load_config(config).config
    if policies:
        loaded = msgspec.structs.replace(loaded, policy=msgspec.structs.replace(loaded.policy, sources=policies))
    if capture_context:
        if paths or fix or diff:
            raise UsageError("--capture-context judges nothing: name no files, and nothing to fix")
        return _write(asyncio.run(_capture(loaded)), file)
    if not paths:
        raise UsageError("name at least one file or folder, or - for standard input")
    if file is not None:
        raise UsageError("--file is where --capture-context writes; reports go to standard output")
    if group and not user:
        raise UsageError("--group needs --user")
    if parser and parser not in (YAML, JSON, *PARSERS):
        raise UsageError(f"--parser: there is no parser {parser}; there are {', '.join((YAML, JSON, *PARSERS))}")
    reports = wanted_reports(report)
    snapshot = read_snapshot(context) if context is not None else None
    accepted = Waivers(read_waiver_files(waivers) + _held(snapshot, context), now_utc())
    job = Job(
        paths,
        loaded,
        namespace=namespace,
        only=changed_files(changed_since) if changed_since else None,
        waivers=accepted,
        snapshot=snapshot,
        user=UserInfo(user, groups=group) if user else None,
        suppressions=not no_suppressions,
        renderer=Renderer(helm_values, namespace, kube_version) if render == "auto" else None,
        kept={} if fix else None,
        parser=parser,
        combine=combine,
    )
    run = judged(job)
    if diff:
        _add_problems(run, show_fixes(run))
        return conclude(run, fail_on, problems=True)
    run = _made_ready(job, run, {output, *(chosen for chosen, _ in reports)}, fix=fix)
    write_reports(run, reports)
    return finish(run, output, fail_on)


def _made_ready(job: Job, run: Run, formats: set[Format], *, fix: bool) -> Run:
    """The run as it is reported: with its files fixed, if asked for, and with what fixes would change, if that is shown."""
    if fix:
        run = _fixed(job, run)
    if "sarif" in formats:
        suggest_fixes(run)
    return run


def _fixed(job: Job, run: Run) -> Run:
    """The run after its files were fixed: as often as a fix makes another one possible, within bounds."""
    tried: Tried = set()
    problems: list[Problem] = []
    for _ in range(_MAX_ROUNDS):
        if not fix_files(run, tried, problems):
            break
        run = judged(job)
    _add_problems(run, problems)
    return run


def judged(job: Job) -> Run:
    """Run the job, with its progress shown on a terminal."""
    progress = Progress()
    try:
        return asyncio.run(run_job(job, lambda run: progress.show(run.summary.judged, len(run.findings))))
    finally:
        progress.clear()


def finish(run: Run, output: Format, fail_on: str) -> int:
    """Print the report, and say what it does not hold; the exit code."""
    sys.stdout.write(REPORTERS[output](run))
    sys.stdout.flush()
    return conclude(run, fail_on, problems=output in {"table", "json", "yaml"})


def conclude(run: Run, fail_on: str, *, problems: bool) -> int:
    """Say on standard error what a report does not hold, with ``problems`` where it does not hold these; the exit code."""
    for problem in run.problems if problems else ():
        _say(str(problem))
    for waiver, state in sorted(run.waivers.pending.items() if run.waivers is not None else ()):
        _say(f"{waiver} does not hold: it is {state}")
    for one in run.suppressions:
        if one.state != "active":
            rules = ", ".join(one.rules) or "no rule"
            _say(
                f"{one.path}:{one.line}: suppression of {rules} {'matches nothing' if one.state == 'unused' else one.state}"
            )
    if any(doubt.unknown for doubt in run.doubts):
        _say(
            "some rules need to know more than the files: --capture-context writes what a cluster knows, --context reads it"
        )
    print(totals(run), file=sys.stderr)
    return _exit_code(run, fail_on)


def _add_problems(run: Run, problems: list[Problem]) -> None:
    run.problems += problems
    run.summary.problems += len(problems)


def _held(snapshot: Snapshot | None, path: Path | None) -> list[Waiver]:
    """The snapshot's waivers; says how old it is where that may matter."""
    if snapshot is None:
        return []
    age = datetime.now(tz=snapshot.captured.tzinfo) - snapshot.captured
    if age > _OLD:
        _say(f"{path} was captured {age.days} days ago: the cluster may be another one by now")
    return waivers_of(snapshot, source=str(path))


async def _capture(config: Config) -> Snapshot:
    from gateway.ci.capture import capture  # noqa: PLC0415 - heavy, and seldom needed
    from gateway.kube import connect  # noqa: PLC0415 - the same

    policy = config.policy
    files = tuple(name for name in policy.sources if name != CLUSTER_GATEKEEPER)
    fetched = await fetch_bundles(files, config.provenance, signed_inside=bool(policy.bundle_keys))
    rules = recognise(read_sources(files, policy.bundle_keys, fetched=fetched)).rules
    client = await connect(config.cluster)
    if client is None:
        raise UsageError("--capture-context: no cluster is connected (cluster.connect in the configuration)")
    kinds = {kind for rule in rules for kind in rule.info.inventory}
    if config.secrets.foreign_targets != "off":
        kinds.add(CAPTURED)
    try:
        gatekeeper = len(files) < len(policy.sources)
        return await capture(client, kinds, configured=policy.inventory, gatekeeper=gatekeeper)
    finally:
        await client.close()


def _write(snapshot: Snapshot, file: Path | None) -> int:
    content = encode_snapshot(snapshot)
    if file is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write_whole(file, content)
    objects = snapshot.inventory.kinds
    _say(
        f"captured {len(snapshot.namespaces)} Namespaces, {len(objects)} types of objects, {len(snapshot.waivers)} waivers"
    )
    return exits.CLEAN


def _say(text: str) -> None:
    print(f"govgate: {printable(text)}", file=sys.stderr)


def _exit_code(run: Run, fail_on: str) -> int:
    if run.problems:
        return exits.FAILED
    if run.denied:
        return exits.DENIED
    return exits.WARNED if run.warned and fail_on == "warn" else exits.CLEAN
