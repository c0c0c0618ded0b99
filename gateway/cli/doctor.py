"""``govgate doctor``: what is wrong or dangerous in this installation."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from gateway.ci.report import Format
from gateway.cli.check import finish
from gateway.cli.reports import wanted_reports, write_reports
from gateway.config import load_config
from gateway.config.model import Registration
from gateway.core.errors import ClusterError
from gateway.doctor.examine import Examination, Given, Report
from gateway.doctor.rules import DIGEST
from gateway.doctor.run import run_of
from gateway.server.wanted import wanted_registration


def doctor(
    *,
    output: Annotated[Format, Parameter(name=["--output", "-o"])] = "table",
    report: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    kubeconfig: Path | None = None,
    kube_context: str = "",
    registration: Path | None = None,
    api_audit_log: Path | None = None,
    config: Path | None = None,
    fail_on: Literal["deny", "warn"] = "deny",
) -> int:
    """Look for what is wrong or dangerous in this installation: who can get past govgate, what could lock a cluster up,
    what will end soon, what is not as it was asked for. Nothing is changed.

    Each finding says what to do. What could not be looked at is said to be undecided, and why. Exit code 3 for what has
    to be put right, 2 for risks and for what is undecided with --fail-on warn, 1 when the API server was not reached.

    Parameters
    ----------
    output
        table for people; json and yaml for programs; sarif, junit, github, gitlab, markdown for what shows findings.
    report
        FORMAT=FILE: the findings in that format as well, into a file; repeatable.
    kubeconfig
        The kubeconfig to connect with. Without it, as the configuration says, else as kubectl would.
    kube_context
        The context in it; else the current one.
    registration
        A file with the registration as it should be. Without it, what the chart gave to the servers, else what the
        configuration prints.
    api_audit_log
        The API server's own audit log (JSON lines): what it let through because govgate did not answer.
    config
        The configuration file; else GOVGATE_CONFIG names it, else the embedded defaults hold.
    fail_on
        What makes the command fail.
    """
    reports = wanted_reports(report)
    loaded = load_config(config)
    settings = loaded.config
    if kubeconfig is not None or kube_context:
        cluster = msgspec.structs.replace(
            settings.cluster,
            connect="kubeconfig",
            kubeconfig=str(kubeconfig or settings.cluster.kubeconfig),
            context=kube_context,
        )
        settings = msgspec.structs.replace(settings, cluster=cluster)
    file = Registration(file=str(registration or ""))
    wanted = wanted_registration(settings, file) if registration is not None else None
    given = Given(settings, Path(loaded.source).parent, wanted=wanted, audit_log=api_audit_log)
    run = run_of(asyncio.run(_examined(given)), DIGEST)
    write_reports(run, reports)
    return finish(run, output, fail_on)


async def _examined(given: Given) -> Report:
    from gateway.kube import connect  # noqa: PLC0415 - heavy

    cluster = given.config.cluster
    try:
        client = await connect(cluster)
        if client is None and cluster.connect == "auto":  # no pod: as kubectl would
            client = await connect(msgspec.structs.replace(cluster, connect="kubeconfig"))
    except ClusterError as error:
        return await Examination(given, None, missing=str(error), broken=True).run()
    try:
        return await Examination(given, client).run()
    finally:
        if client is not None:
            await client.close()
