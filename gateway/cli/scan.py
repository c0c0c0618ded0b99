"""``govgate scan``: the objects that a cluster holds now, judged by the rules that hold for requests."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from cyclopts import Parameter

from gateway.audit.state import state_folder
from gateway.ci.inputs import Problem
from gateway.ci.report import Format
from gateway.ci.report.words import resource
from gateway.ci.run import Doubt, Run, Summary
from gateway.cli.check import finish
from gateway.cli.progress import Progress
from gateway.config import load_config
from gateway.config.model import Config
from gateway.controllers.scan.results import Results
from gateway.controllers.scan.store import FILE, Store
from gateway.controllers.scan.tally import Counts
from gateway.core.errors import UsageError
from gateway.core.guard import OnError
from policies.rule import RuleInfo
from webhooks.policy import exempted

if TYPE_CHECKING:
    from gateway.kube import KubeClient

_SYNC_SECONDS = 30.0
"""How long what rules need to know of a cluster may take to be read."""


def scan(
    *,
    policies: Annotated[tuple[str, ...], Parameter(name=["--policies"], negative=())] = (),
    output: Annotated[Format, Parameter(name=["--output", "-o"])] = "table",
    namespace: Annotated[str, Parameter(name=["--namespace", "-n"])] = "",
    last: Annotated[bool, Parameter(negative=())] = False,
    state_dir: Path | None = None,
    kubeconfig: Path | None = None,
    kube_context: str = "",
    config: Path | None = None,
    fail_on: Literal["deny", "warn"] = "deny",
) -> int:
    """Judge the objects that a cluster holds, by the rules in force.

    Findings go to standard output, in the order of namespace, kind and name; totals, and what could not be read, to
    standard error. Exit code 3 when anything is denied, 2 for warnings with --fail-on warn, 1 when something could not
    be read.

    Parameters
    ----------
    policies
        A folder of rules, a bundle (.tar.gz) or a built-in set (builtin:NAME); repeatable. Without it, what the
        configuration names.
    output
        table for people; json and yaml for programs; sarif, junit, github, gitlab, markdown for what shows findings.
    namespace
        Only objects in this namespace.
    last
        Read nothing: show what the controller's last whole scan found, from its state folder.
    state_dir
        With --last: the controller's state folder.
    kubeconfig
        The kubeconfig to connect with. Without it, as the configuration says, else as kubectl would.
    kube_context
        The context in it; else the current one.
    config
        The configuration file; else GOVGATE_CONFIG names it, else the embedded defaults hold.
    fail_on
        What makes the command fail.
    """
    loaded = load_config(config).config
    if last:
        if policies or kubeconfig is not None or kube_context:
            raise UsageError(
                "--last shows what was found before: --policies, --kubeconfig and --kube-context are not for it"
            )
        folder = state_folder(str(state_dir or loaded.audit.state_dir))
        return finish(_run(folder / FILE, loaded.policy.on_error, {}, namespace), output, fail_on)
    if state_dir is not None:
        raise UsageError("--state-dir is for --last")
    if policies:
        loaded = msgspec.structs.replace(loaded, policy=msgspec.structs.replace(loaded.policy, sources=policies))
    loaded = connected(loaded, kubeconfig, kube_context)
    if exempted(namespace, (*loaded.policy.exempt_namespaces, loaded.cluster.own_namespace)):
        raise UsageError(
            f"{namespace} is not judged: policy.exemptNamespaces, or the gateway's own namespace, names it"
        )
    with tempfile.TemporaryDirectory(prefix="govgate-scan-") as scratch:
        path = Path(scratch) / FILE
        infos = asyncio.run(_scan(loaded, path, namespace))
        return finish(_run(path, loaded.policy.on_error, infos, namespace), output, fail_on)


def connected(config: Config, kubeconfig: Path | None, context: str) -> Config:
    """The configuration with a cluster to connect to: as the options say, as it says itself, else as kubectl would."""
    cluster = config.cluster
    if kubeconfig is not None or context:
        cluster = msgspec.structs.replace(
            cluster, connect="kubeconfig", kubeconfig=str(kubeconfig or cluster.kubeconfig), context=context
        )
    elif cluster.connect == "none":
        raise UsageError("no cluster is connected (cluster.connect in the configuration, or --kubeconfig)")
    return msgspec.structs.replace(config, cluster=cluster)


async def _scan(config: Config, path: Path, namespace: str) -> dict[str, RuleInfo]:
    from gateway.controllers.scan.scan import Pass  # noqa: PLC0415 - with --last none of this is needed
    from gateway.kube.pace import Pacer  # noqa: PLC0415
    from webhooks.standing import assemble_standing  # noqa: PLC0415

    if not config.policy.sources and not config.policy.opa.decisions:
        raise UsageError("there are no rules: policy.sources is empty, and there is no --policies")
    settings = config.controller.scan
    client = await _client(config)
    shown = Progress()
    try:
        standing = await assemble_standing(config, client)
        store = Store(path)
        try:
            await standing.synced(_SYNC_SECONDS)
            pace = Pacer(settings.requests_per_second, settings.burst)
            one = Pass(
                client,
                standing,
                store,
                settings,
                pace=pace,
                clock=time.time,
                namespace=namespace,
                progress=lambda now: shown.show(now.objects, now.findings),
            )
            await one.run()
            return standing.infos
        finally:
            store.close()
            await standing.close()
    finally:
        shown.clear()
        await client.close()


async def _client(config: Config) -> KubeClient:
    from gateway.kube import connect  # noqa: PLC0415 - heavy

    client = await connect(config.cluster)
    if client is None:  # auto, and no pod: as kubectl would
        client = await connect(msgspec.structs.replace(config.cluster, connect="kubeconfig"))
    assert client is not None  # noqa: S101 - "kubeconfig" connects or raises
    return client


def _run(path: Path, on_error: OnError, infos: dict[str, RuleInfo], namespace: str) -> Run:
    """What a file of findings holds, in the shape that reports are made from. ``namespace``: empty for all."""
    where = namespace or None
    with Results(path) as results:
        run = Run(results.generation.rules, infos, on_error)
        run.findings = list(results.findings(where))
        run.doubts = [Doubt(one.rule, one.reason, resource(one.resource)) for one in results.doubts(where)]
        run.problems = [Problem(name, 0, text) for name, text in sorted(results.problems().items())]
        total = Counts()
        for name, counts in results.namespaces():
            if where in (None, name):
                total.add(counts)
    run.summary = Summary(
        judged=total.judged,
        denied=total.denied,
        warned=total.warned,
        indeterminate=total.indeterminate,
        excepted=total.excepted,
        problems=len(run.problems),
    )
    return run
