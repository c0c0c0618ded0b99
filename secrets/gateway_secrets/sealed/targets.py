"""What one command seals: every Secret for every cluster and namespace that is asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from gateway_secrets.sealed.errors import InputError
from gateway_secrets.sealed.objects import Secret, check_secret
from gateway_secrets.sealed.registry import Cluster
from gateway_secrets.sealed.scope import Scope, scope_of


class Asked(msgspec.Struct, frozen=True):
    """What the command line says. Empty: what the Secret says, or the registry."""

    name: str = ""
    namespaces: tuple[str, ...] = ()
    scope: Scope | None = None
    type: str = ""
    allow_empty: bool = False


class Target(msgspec.Struct, frozen=True):
    """One SealedSecret to be made. ``where``: the Secret's place in the input, for messages."""

    cluster: Cluster
    secret: Secret
    scope: Scope
    where: str


def targets(secrets: Sequence[tuple[str, Secret]], clusters: Sequence[Cluster], asked: Asked) -> list[Target]:
    """Clusters in their order, and in each the Secrets in theirs.

    Raises:
        InputError: a Secret is none that an API server takes, or it is not said for which namespace it is.
    """
    if asked.name and len(secrets) > 1:
        raise InputError(f"--name is for one Secret; the input holds {len(secrets)}")
    found = [
        target for cluster in clusters for where, secret in secrets for target in _of(cluster, where, secret, asked)
    ]
    twice = _repeated((one.cluster.entry.name, one.secret.namespace, one.secret.name) for one in found)
    if twice is not None:
        raise InputError(f"Secret {twice[1]}/{twice[2]} is there twice")
    return found


def _of(cluster: Cluster, where: str, secret: Secret, asked: Asked) -> Iterator[Target]:
    scope = asked.scope if asked.scope is not None else scope_of(secret.annotations)
    changed = msgspec.structs.replace(secret, name=asked.name or secret.name, type=secret.type or asked.type)
    if not secret.values and not asked.allow_empty:
        raise InputError(f"{where}: the Secret is empty (--allow-empty if that is meant)")
    for namespace in _namespaces(cluster, where, secret, scope, asked):
        placed = msgspec.structs.replace(changed, namespace=namespace)
        check_secret(placed, where=where)
        yield Target(cluster, placed, scope, where)


def _namespaces(cluster: Cluster, where: str, secret: Secret, scope: Scope, asked: Asked) -> tuple[str, ...]:
    if asked.namespaces:
        if secret.namespace and secret.namespace not in asked.namespaces:
            raise InputError(f"{where}: is for namespace {secret.namespace}, not {', '.join(asked.namespaces)}")
        return asked.namespaces
    if secret.namespace:
        return (secret.namespace,)
    if cluster.entry.namespaces:
        return cluster.entry.namespaces
    if scope is Scope.CLUSTER_WIDE:
        return ("",)
    raise InputError(f"{where}: names no namespace, and {scope} sealing needs one (--namespace)")


def _repeated(places: Iterator[tuple[str, str, str]]) -> tuple[str, str, str] | None:
    seen = set()
    for place in places:
        if place in seen:
            return place
        seen.add(place)
    return None
