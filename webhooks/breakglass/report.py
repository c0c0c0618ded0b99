"""What a cluster's grants let through, compared with the objects as they are now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gateway.core.errors import ConfigError
from gateway.core.finding import Finding
from gateway.core.subject import Json
from gateway.kube import KubeClient
from gateway.kube.lists import list_objects
from gateway.kube.resource import of_kind, served_version
from webhooks.breakglass.afterwards import not_in_git, outstanding
from webhooks.breakglass.grant import RESOURCE, Grant, Target, read_grant
from webhooks.breakglass.opened import Open, Opened


async def held_grants(client: KubeClient) -> list[Grant]:
    """The grants that a cluster holds now; none if it does not know the type. What is no grant that can hold is left out.

    Raises:
        ClusterError: they cannot be read.
    """
    version = await served_version(client, RESOURCE)
    found: list[Grant] = []
    if version is None:
        return found
    async for item in list_objects(client, RESOURCE, version):
        try:
            found.append(read_grant(item))
        except ConfigError:
            continue
    return found


async def open_findings(client: KubeClient, grants: Iterable[Grant], managers: Collection[str]) -> list[Finding]:
    """What was changed under them and is not in Git. ``managers``: the field managers of all reconcilers.

    Raises:
        ClusterError: an object cannot be read.
        UndecidedError: one is not what an API server writes.
    """
    found: list[Finding] = []
    for _, changes in Opened(grants).objects():
        found += await findings_of(client, changes, managers)
    return found


async def open_under(client: KubeClient, grant: Grant, managers: Collection[str]) -> list[Finding]:
    """The same of one grant, with what was changed again under another: this one's record says how it was before that.

    Errors as :func:`open_findings`.
    """
    others = [one for one in await held_grants(client) if one.name != grant.name]
    found: list[Finding] = []
    for _, changes in Opened([*others, grant]).objects():
        mine = [one for one in changes if grant.name in one.grants]
        found += await findings_of(client, mine, managers) if mine else []
    return found


async def findings_of(client: KubeClient, changes: Sequence[Open], managers: Collection[str]) -> list[Finding]:
    """The same for one object; errors as :func:`open_findings`."""
    return not_in_git(outstanding(changes, await _live(client, changes[0].use.object), managers))


async def _live(client: KubeClient, about: Target) -> Json | None:
    resource = await of_kind(client, about.api_version, about.kind)
    if resource is None:
        return None
    version = about.api_version.rpartition("/")[2]
    return await client.find(resource.path(version, about.namespace, about.name))
