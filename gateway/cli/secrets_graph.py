"""``govgate secrets graph``: which remote path reaches which Secret reaches which workload."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from gateway.ci.inputs import Content, Problem, contents
from gateway.ci.manifests import read_manifests
from gateway.ci.render import Renderer
from gateway.cli import exits
from gateway.cli.output import print_document, say
from gateway.cli.parameters import InputPath
from gateway.cli.secrets_graph_cluster import read_cluster
from gateway.config import load_config
from gateway.config.model import Cluster
from gateway.core.errors import UsageError
from gateway_secrets.graph.build import Builder
from gateway_secrets.graph.model import Graph, Wanted, selected
from gateway_secrets.graph.render import Format, as_document, as_dot, as_mermaid, as_text


def graph(
    *paths: InputPath,
    output: Annotated[Format, Parameter(name=["--output", "-o"])] = "text",
    path: str = "",
    secret: str = "",
    workload: str = "",
    namespace: Annotated[str, Parameter(name=["--namespace", "-n"])] = "",
    render: Literal["auto", "off"] = "auto",
    kubeconfig: Path | None = None,
    kube_context: str = "",
    config: Path | None = None,
) -> int:
    """Show which remote path reaches which Secret reaches which workload: of manifests, or of a cluster.

    Names alone are read: of a cluster's Secrets their metadata. What dangles is shown, too: Secrets that nothing here makes
    or uses, stores that are not here. Exit code 1 when something could not be read.

    Parameters
    ----------
    paths
        Files, folders (with all below them), globs, or - for standard input. Without any, a cluster is read.
    output
        text for people, json for programs, dot for Graphviz, mermaid for Markdown.
    path
        Only what comes from remote paths like this: a glob.
    secret
        Only what goes through Secrets like this: NAME or NAMESPACE/NAME, a glob.
    workload
        Only what reaches workloads like this: [KIND/][NAMESPACE/]NAME, a glob.
    namespace
        Only what goes through this namespace; of a cluster, nothing else is read.
    render
        auto: kustomizations and charts among the files are rendered.
    kubeconfig
        The kubeconfig to connect with. Without it, as the configuration says, else as kubectl would.
    kube_context
        The context in it; else the current one.
    config
        The configuration file; else GOVGATE_CONFIG names it.
    """
    if paths and (kubeconfig is not None or kube_context):
        raise UsageError("name files, or a cluster (--kubeconfig, --kube-context), not both")
    if paths:
        made, problems = _of_files(paths, Renderer() if render == "auto" else None)
    else:
        cluster = load_config(config).config.cluster
        made, problems = asyncio.run(read_cluster(_connected(cluster, kubeconfig, kube_context), namespace))
    _print(selected(made, Wanted(path, secret, workload, namespace)), output)
    for problem in problems:
        say(problem)
    return exits.FAILED if problems else exits.CLEAN


def _of_files(paths: tuple[str, ...], renderer: Renderer | None) -> tuple[Graph, list[str]]:
    builder, problems = Builder(), list[str]()
    for batch in contents(paths, renderer=renderer):
        problems += [str(one) for one in batch if isinstance(one, Problem)]
        read = read_manifests([one for one in batch if isinstance(one, Content) and not one.parser])
        problems += map(str, read.problems)
        for manifest in read.manifests:
            builder.add(manifest.subject.object)
    problems += builder.problems
    # What could not be read may be what seems to be missing.
    whole = not problems
    return builder.graph(makers=whole, users=whole, stores=whole), problems


def _connected(cluster: Cluster, kubeconfig: Path | None, context: str) -> Cluster:
    """As the options say, else as configured; as kubectl would where the configuration connects to none."""
    if kubeconfig is not None or context:
        named = str(kubeconfig or cluster.kubeconfig)
        return msgspec.structs.replace(cluster, connect="kubeconfig", kubeconfig=named, context=context)
    if cluster.connect == "none":
        raise UsageError("name files or folders; or a cluster (cluster.connect in the configuration, or --kubeconfig)")
    return cluster


def _print(made: Graph, output: Format) -> None:
    if output == "json":
        print_document(as_document(made), "json")
        return
    sys.stdout.write({"text": as_text, "dot": as_dot, "mermaid": as_mermaid}[output](made))
