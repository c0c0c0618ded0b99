"""``govgate check``: the rules that hold in the cluster, over files, before anything is merged."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from gateway.ci.changed import changed_files
from gateway.ci.inputs import contents
from gateway.ci.report import REPORTERS, Format
from gateway.ci.report.words import printable, totals
from gateway.ci.run import Run, begin, judge_batch
from gateway.cli import exits
from gateway.cli.parameters import InputPath
from gateway.config import load_config
from gateway.config.model import Config
from gateway.core.errors import UsageError
from policies.embedded import EmbeddedOpa
from policies.loading import load_rules
from policies.surroundings import Alone
from policies.waiver_files import read_waiver_files
from policies.waivers import Waivers, now_utc

_PROGRESS_SECONDS = 1.0


def check(
    *paths: InputPath,
    policies: Annotated[tuple[str, ...], Parameter(name=["--policies"], negative=())] = (),
    output: Annotated[Format, Parameter(name=["--output", "-o"])] = "table",
    namespace: Annotated[str, Parameter(name=["--namespace", "-n"])] = "",
    changed_since: str = "",
    waivers: Annotated[tuple[Path, ...], Parameter(name=["--waivers"], negative=())] = (),
    config: Path | None = None,
    fail_on: Literal["deny", "warn"] = "deny",
) -> int:
    """Judge manifests by the rules in force: files, folders, globs, or - for standard input.

    Findings go to standard output, with file and line; totals and what could not be read, to standard error. Exit code
    3 when anything is denied, 2 for warnings with --fail-on warn, 1 when something could not be read.

    Parameters
    ----------
    paths
        Files, folders (with all below them), globs, or -.
    policies
        A folder of rules, a bundle (.tar.gz) or a built-in set (builtin:NAME); repeatable. Without it, what the
        configuration names.
    output
        table for people; json and yaml for programs; sarif, junit, github, gitlab, markdown for what shows findings.
    namespace
        The namespace of objects that name none.
    changed_since
        A Git revision: of the files, only those that differ from where it and HEAD parted, or are not committed yet.
    waivers
        Files with PolicyWaivers as the cluster has them (kubectl get policywaivers -A -o yaml); repeatable. What one in
        force covers is shown, and does not count.
    config
        The configuration file; else GOVGATE_CONFIG names it, else the embedded defaults hold.
    fail_on
        What makes the command fail.
    """
    if not paths:
        raise UsageError("name at least one file or folder, or - for standard input")
    loaded = load_config(config).config
    if policies:
        loaded = msgspec.structs.replace(loaded, policy=msgspec.structs.replace(loaded.policy, sources=policies))
    only = changed_files(changed_since) if changed_since else None
    accepted = Waivers(read_waiver_files(waivers), now_utc())
    run = asyncio.run(judge_paths(paths, loaded, namespace, only, accepted))
    sys.stdout.write(REPORTERS[output](run))
    sys.stdout.flush()
    for problem in run.problems if output in {"table", "json", "yaml"} else ():
        print(f"govgate: {printable(str(problem))}", file=sys.stderr)
    for waiver, state in sorted(accepted.pending.items()):
        print(f"govgate: {waiver} does not hold: it is {state}", file=sys.stderr)
    print(totals(run), file=sys.stderr)
    return _exit_code(run, fail_on)


async def judge_paths(
    paths: Sequence[str], config: Config, namespace: str, only: frozenset[str] | None, waivers: Waivers
) -> Run:
    """Judge all that the paths name."""
    rules = await load_rules(config.policy, EmbeddedOpa(hosts=config.policy.hosts))
    run = begin(rules, config.policy.on_error)
    run.waivers = waivers
    exempt = (*config.policy.exempt_namespaces, config.cluster.own_namespace)
    progress = _Progress()
    try:
        for batch in contents(paths, only=only):
            await judge_batch(run, rules, batch, namespace=namespace, around=Alone(), exempt=exempt)
            progress.show(run)
    finally:
        progress.clear()
        await rules.close()
    return run


class _Progress:
    """A line on a terminal's standard error once the run takes long."""

    def __init__(self) -> None:
        self._interactive = sys.stderr.isatty()
        self._started = self._shown = time.monotonic()

    def show(self, run: Run) -> None:
        """Say how far the run is, at most every second."""
        now = time.monotonic()
        if self._interactive and now - self._shown >= _PROGRESS_SECONDS:
            self._shown = now
            sys.stderr.write(
                f"\r{run.summary.judged} objects, {len(run.findings)} findings, {now - self._started:.0f} s "
            )
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._shown != self._started:
            sys.stderr.write("\r\x1b[K")


def _exit_code(run: Run, fail_on: str) -> int:
    if run.problems:
        return exits.FAILED
    if run.denied:
        return exits.DENIED
    return exits.WARNED if run.warned and fail_on == "warn" else exits.CLEAN
