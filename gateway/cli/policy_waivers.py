"""``govgate policy waivers``: what is accepted, by whom, until when, and whether it still has to be."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from gateway.ci.job import Job
from gateway.ci.render import Renderer
from gateway.cli import exits
from gateway.cli.check import judged
from gateway.cli.output import print_document, print_table
from gateway.cli.parameters import InputPath
from gateway.cli.policy import Output, Policies
from gateway.config import load_config
from gateway.config.model import Config
from gateway.core.errors import UsageError
from gateway.kube import connect
from policies.waiver_files import read_waiver_files
from policies.waivers import Waiver, Waivers, now_utc, spec_digest
from webhooks.waivers import list_waivers

UNNEEDED, SOON = "no longer needed", "expires soon"


class Listed(msgspec.Struct, frozen=True, rename="camel"):
    """A waiver with its state: active, expires soon, expired, unapproved, no longer needed."""

    id: str
    state: str
    rules: tuple[str, ...]
    kinds: tuple[str, ...]
    names: tuple[str, ...]
    expires: datetime
    requested_by: str
    approver: str
    reason: str
    ticket: str
    spec_digest: str


def waivers(
    *paths: InputPath,
    waivers: Annotated[tuple[Path, ...], Parameter(name=["--waivers"], negative=())] = (),
    policies: Policies = (),
    output: Output = "table",
    config: Path | None = None,
    fail_on: Literal["deny", "warn"] = "deny",
) -> int:
    """List waivers: what they accept, and which have expired, are not approved, or are no longer needed.

    Parameters
    ----------
    paths
        Manifests that are judged to see which waivers are still needed: files, folders, globs, or -.
    waivers
        Files with PolicyWaivers as the cluster has them (kubectl get policywaivers -A -o yaml); repeatable. Without it
        they are read from the cluster that the configuration connects to.
    policies
        A folder of rules, a bundle (.tar.gz, oci://…) or a built-in set (builtin:NAME); repeatable. Without it, what the
        configuration names.
    output
        table for people, json or yaml for programs.
    config
        The configuration file; else GOVGATE_CONFIG names it, else the embedded defaults hold.
    fail_on
        With warn, the exit code is 2 if any has expired, expires soon, or is no longer needed.
    """
    loaded = load_config(config).config
    if policies:
        loaded = msgspec.structs.replace(loaded, policy=msgspec.structs.replace(loaded.policy, sources=policies))
    held = Waivers(read_waiver_files(waivers) if waivers else asyncio.run(_of_cluster(loaded)), now_utc())
    if paths:
        run = judged(Job(paths, loaded, waivers=held, renderer=Renderer()))
        for problem in run.problems:
            print(f"govgate: {problem}", file=sys.stderr)
    soon = timedelta(days=loaded.policy.waivers.soon_days)
    listed = [_listed(waiver, held, soon, judged=bool(paths)) for waiver in held.waivers]
    if output == "table":
        _print(listed)
    else:
        print_document(msgspec.to_builtins(listed), output)
    if paths and run.problems:
        return exits.FAILED
    stale = any(one.state in {UNNEEDED, SOON, "expired"} for one in listed)
    return exits.WARNED if stale and fail_on == "warn" else exits.CLEAN


async def _of_cluster(config: Config) -> Sequence[Waiver]:
    client = await connect(config.cluster)
    if client is None:
        raise UsageError("no cluster is connected (cluster.connect): name files with --waivers")
    try:
        return await list_waivers(client)
    finally:
        await client.close()


def _listed(waiver: Waiver, held: Waivers, soon: timedelta, *, judged: bool) -> Listed:
    spec, state = waiver.spec, waiver.state(held.now)
    if state == "active" and judged and waiver.id not in held.used:
        state = UNNEEDED
    elif state == "active" and spec.expires <= held.now + soon:
        state = SOON
    return Listed(
        id=waiver.id,
        state=state,
        rules=spec.rules,
        kinds=spec.match.kinds,
        names=spec.match.names,
        expires=spec.expires,
        requested_by=spec.requested_by,
        approver=waiver.approval.approver,
        reason=spec.reason,
        ticket=spec.ticket,
        spec_digest=spec_digest(spec),
    )


def _print(listed: Sequence[Listed]) -> None:
    rows = [
        (
            one.state,
            one.id,
            ", ".join(one.rules),
            f"{', '.join(one.kinds)} {', '.join(one.names)}",
            f"{one.expires:%Y-%m-%d %H:%M %Z}",
            one.approver or "-",
        )
        for one in listed
    ]
    print_table(("STATE", "WAIVER", "RULES", "OBJECTS", "EXPIRES", "APPROVED BY"), rows)
    for one in listed:
        if one.state == "unapproved":
            print(
                f"govgate: to approve {one.id}, somebody else than {one.requested_by}: {_approval(one)}",
                file=sys.stderr,
            )


def _approval(one: Listed) -> str:
    kind, *namespace, name = one.id.split("/")
    patch: dict[str, Any] = {"status": {"approval": {"approver": "YOUR-USER-NAME", "specDigest": one.spec_digest}}}
    command = ["kubectl", "patch", kind, name, *(("-n", namespace[0]) if namespace else ())]
    return shlex.join([*command, "--subresource=status", "--type=merge", "-p", json.dumps(patch)])
