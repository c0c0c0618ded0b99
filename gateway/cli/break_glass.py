"""``govgate break-glass``: ask for a change that a guard refuses, let somebody else approve it, see what is not in Git yet."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import cyclopts
import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from gateway.cli import exits
from gateway.cli.break_glass_view import is_open, listed, often, print_listed, until, what, who
from gateway.cli.output import print_document, say
from gateway.cli.parameters import ConfigFile, Kubeconfig, KubeContext
from gateway.cli.scan import connected
from gateway.config import load_config
from gateway.config.model import Config
from gateway.core.errors import ClusterError, ConfigError, UsageError
from gateway.core.finding import Finding
from gateway.core.subject import Json
from gateway.kube import KubeClient, connect
from policies.waivers import now_utc
from webhooks.breakglass.grant import API_VERSION, KIND, RESOURCE, Grant, GuardName, Operation, Scope, Spec, read_grant
from webhooks.breakglass.grant import spec_digest as digest_of
from webhooks.breakglass.guard import own_name
from webhooks.breakglass.noted import NAME, Notes
from webhooks.breakglass.report import held_grants, open_findings

break_glass_app = cyclopts.App(
    name="break-glass",
    help="Changes that cannot wait for Git: request, approve, list, revoke, acknowledge.",
    help_format="plaintext",
)

_MANY: dict[str, Any] = {"negative": ()}
_FLAG = Parameter(negative=())
_VERSION = RESOURCE.versions[0]
_T = TypeVar("_T")

GrantName = Annotated[str, Parameter(help="The grant.")]
Flag = Annotated[bool, _FLAG]
DryRun = Annotated[bool, _FLAG, Parameter(help="Print what would be written, and write nothing.")]
Manifest = Annotated[Literal["yaml", "json"], Parameter(name=["--output", "-o"], help="How --dry-run prints it.")]


class Connection(msgspec.Struct, frozen=True):
    """Where the cluster is."""

    kubeconfig: Path | None
    context: str
    config: Path | None


@break_glass_app.command
def request(  # noqa: D417 - options that several commands have carry their texts
    kind: str,
    target: str,
    /,
    *,
    reason: str,
    ticket: str,
    field: Annotated[tuple[str, ...], Parameter(name=["--field"], **_MANY)] = (),
    operation: Annotated[tuple[Operation, ...], Parameter(name=["--operation"], **_MANY)] = ("UPDATE",),
    guard: Annotated[tuple[GuardName, ...], Parameter(name=["--guard"], **_MANY)] = ("drift",),
    user: Annotated[tuple[str, ...], Parameter(name=["--user"], **_MANY)] = (),
    group: Annotated[tuple[str, ...], Parameter(name=["--group"], **_MANY)] = (),
    minutes: Annotated[int, Parameter(validator=Number(gte=1, lte=10_080))] = 60,
    uses: Annotated[int, Parameter(validator=Number(gte=1, lte=50))] = 1,
    name: str = "",
    dry_run: DryRun = False,
    output: Manifest = "yaml",
    kubeconfig: Kubeconfig = None,
    kube_context: KubeContext = "",
    config: ConfigFile = None,
) -> int:
    """Ask for a grant: the command that a denial names, with the ticket and the reason filled in.

    Parameters
    ----------
    kind
        Of the object: apps/Deployment, ConfigMap.
    target
        The object: NAMESPACE/NAME, or NAME if it is in no namespace. * and ? in the name are wildcards; the namespace * is
        all of them.
    reason
        Why it cannot wait for Git.
    ticket
        Where that is written down.
    field
        A field that is to be changed, as the denial names it; repeatable. Without it, all of the object.
    operation
        What is to be done; repeatable.
    guard
        Whose refusal it is about; repeatable.
    user
        Who may use it; repeatable. Without it, and without --group, you.
    group
        A group whose members may use it; repeatable.
    minutes
        For how long, from now.
    uses
        How many changes.
    name
        The name of the grant; else one is made up.
    """
    namespace, _, object_name = target.rpartition("/")
    if not object_name or "/" in namespace:
        raise UsageError(f"{target}: name the object as NAMESPACE/NAME, or NAME if it is in no namespace")
    scope = Scope(
        kinds=(kind,),
        names=(object_name,),
        namespaces=(namespace,) if namespace else (),
        fields=field or ("*",),
        operations=operation,
        guards=guard,
    )

    async def ask(client: KubeClient) -> tuple[Json, str]:
        me = await own_name(client)
        spec = Spec(
            users=user or (() if group else (me,)),
            groups=group,
            scope=scope,
            reason=reason,
            ticket=ticket,
            requested_by=me,
            expires=now_utc().replace(microsecond=0) + timedelta(minutes=minutes),
            max_uses=uses,
        )
        stated = {"maxUses": uses, **msgspec.to_builtins(spec)}
        document = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name or _name(kind, object_name)}}
        document["spec"] = stated
        read_grant(document)
        if not dry_run:
            await client.create(RESOURCE.path(_VERSION), document)
        return document, me

    try:
        document, me = _with_cluster(Connection(kubeconfig, kube_context, config), ask)
    except ConfigError as error:
        raise UsageError(str(error)) from None
    if dry_run:
        print_document(document, output)
        return exits.CLEAN
    made = document["metadata"]["name"]
    print(made)
    say(f"asked for; somebody else than {me} approves it: govgate break-glass approve {made}")
    return exits.CLEAN


@break_glass_app.command
def approve(  # noqa: D417 - options that several commands have carry their texts
    name: GrantName,
    /,
    *,
    emergency: Flag = False,
    dry_run: DryRun = False,
    output: Manifest = "yaml",
    kubeconfig: Kubeconfig = None,
    kube_context: KubeContext = "",
    config: ConfigFile = None,
) -> int:
    """Approve a grant that somebody else asked for; what it lets through is printed.

    Parameters
    ----------
    emergency
        You asked for it yourself, and nobody else is there: for members of the configured groups, and flagged.
    """

    async def write(client: KubeClient) -> tuple[Grant, Json]:
        grant = await _read(client, name)
        approval: Json = {"approver": await own_name(client), "specDigest": digest_of(grant.spec)}
        return grant, await _patch(client, grant, {"approval": approval | _mark(emergency)}, dry_run=dry_run)

    grant, patch = _with_cluster(Connection(kubeconfig, kube_context, config), write)
    if dry_run:
        print_document(patch, output)
        return exits.CLEAN
    say(f"approved {grant.id}: {what(grant)}, by {who(grant)}, {often(grant)}, until {until(grant)}")
    return exits.CLEAN


@break_glass_app.command
def revoke(
    name: GrantName,
    /,
    *,
    dry_run: DryRun = False,
    output: Manifest = "yaml",
    kubeconfig: Kubeconfig = None,
    kube_context: KubeContext = "",
    config: ConfigFile = None,
) -> int:
    """End a grant before its time: your own, or as somebody who may approve."""

    async def write(client: KubeClient) -> Json:
        grant = await _read(client, name)
        return await _patch(client, grant, {"revoked": {"by": await own_name(client)}}, dry_run=dry_run)

    patch = _with_cluster(Connection(kubeconfig, kube_context, config), write)
    if dry_run:
        print_document(patch, output)
    else:
        say(f"revoked breakglass/{name}")
    return exits.CLEAN


@break_glass_app.command
def acknowledge(  # noqa: D417 - options that several commands have carry their texts
    name: GrantName,
    /,
    *,
    reason: str,
    dry_run: DryRun = False,
    output: Manifest = "yaml",
    kubeconfig: Kubeconfig = None,
    kube_context: KubeContext = "",
    config: ConfigFile = None,
) -> int:
    """Take note that what was changed under a grant is not in Git, so that its record may be deleted: for somebody else
    than who asked for it or used it, who may approve.

    Parameters
    ----------
    reason
        Why Git will not agree, or cannot be asked.
    """

    async def write(client: KubeClient) -> Json:
        grant = await _read(client, name)
        stated = {"by": await own_name(client), "reason": reason}
        return await _patch(client, grant, {"acknowledged": stated}, dry_run=dry_run)

    patch = _with_cluster(Connection(kubeconfig, kube_context, config), write)
    if dry_run:
        print_document(patch, output)
    else:
        say(f"acknowledged breakglass/{name}: it may be deleted, and what was changed is not guarded any more then")
    return exits.CLEAN


@break_glass_app.command(name="list")
def list_grants(  # noqa: D417 - options that several commands have carry their texts
    *,
    output: Annotated[Literal["table", "yaml", "json"], Parameter(name=["--output", "-o"])] = "table",
    fail_on: Literal["deny", "warn"] = "deny",
    kubeconfig: Kubeconfig = None,
    kube_context: KubeContext = "",
    config: ConfigFile = None,
) -> int:
    """List grants with their state, and what was changed under them and is not in Git yet.

    Parameters
    ----------
    output
        table for people, json or yaml for programs.
    fail_on
        With warn, the exit code is 2 if something is not in Git yet.
    """
    from webhooks.assembly import field_managers  # noqa: PLC0415 - all that decides, which the others do not need

    connection = Connection(kubeconfig, kube_context, config)
    loaded, now = _loaded(connection), now_utc()
    managers = field_managers(loaded)

    async def read(client: KubeClient) -> tuple[list[Grant], Mapping[str, str] | None, list[Finding]]:
        grants = await held_grants(client)
        notes = None
        if any(is_open(grant, now) for grant in grants):
            notes = await _notes(client, loaded.cluster.own_namespace)
        return grants, notes, await open_findings(client, grants, managers)

    grants, notes, findings = _with_cluster(connection, read)
    shown = [listed(grant, notes, now) for grant in sorted(grants, key=lambda grant: (grant.spec.expires, grant.name))]
    if output == "table":
        print_listed(shown, findings)
    else:
        print_document({"grants": msgspec.to_builtins(shown), "findings": msgspec.to_builtins(findings)}, output)
    return exits.WARNED if findings and fail_on == "warn" else exits.CLEAN


async def _notes(client: KubeClient, namespace: str) -> Mapping[str, str] | None:
    """Which approvals gateways saw; None, and said so, where that is not known."""
    unknown = "whether a gateway saw the approvals is not known"
    try:
        found = await Notes(client, namespace).find()
    except ClusterError as error:
        say(f"{unknown}: {error}")
        return None
    if found is None:
        say(
            f"{unknown}: there is no ConfigMap {namespace}/{NAME}. Either no approval was seen, and none holds, or govgate is in "
            "another namespace (cluster.ownNamespace)"
        )
    return found


def _with_cluster(connection: Connection, use: Callable[[KubeClient], Awaitable[_T]]) -> _T:
    config = _loaded(connection)

    async def run() -> _T:
        client = await connect(config.cluster)
        if client is None:  # auto, and no pod: as kubectl would
            client = await connect(msgspec.structs.replace(config.cluster, connect="kubeconfig"))
        assert client is not None  # noqa: S101 - "kubeconfig" connects or raises
        try:
            return await use(client)
        finally:
            await client.close()

    return asyncio.run(run())


def _loaded(connection: Connection) -> Config:
    return connected(load_config(connection.config).config, connection.kubeconfig, connection.context)


async def _read(client: KubeClient, name: str) -> Grant:
    try:
        return read_grant(await client.get(RESOURCE.path(_VERSION, name=name)))
    except ConfigError as error:
        raise ClusterError(f"{name}: {error}") from None


async def _patch(client: KubeClient, grant: Grant, status: Json, *, dry_run: bool) -> Json:
    """What is written into the status of the very grant that was read."""
    metadata = {"name": grant.name, "resourceVersion": grant.version}
    patch = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "status": status}
    if not dry_run:
        await client.merge(f"{RESOURCE.path(_VERSION, name=grant.name)}/status", patch)
    return patch


def _mark(emergency: bool) -> Json:
    return {"emergency": True} if emergency else {}


def _name(kind: str, name: str) -> str:
    words = re.sub(r"[^a-z0-9-]+", "-", f"{kind.rpartition('/')[2]}-{name}".lower()).strip("-")
    return f"{words[:200].rstrip('-')}-{os.urandom(3).hex()}"
