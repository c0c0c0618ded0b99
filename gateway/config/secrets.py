"""Configuration of the secrets guard."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.core.guard import OnError

Most = Literal["off", "audit", "warn", "deny"]
"""The most that a finding does; ``off`` does not look."""

Fingerprint = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a certificate, in lower-case hexadecimal."""


class _Section(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class Demand(_Section, frozen=True):
    """Where Secrets have to come sealed, or from a store. The first that matches a Secret holds for it.

    ``namespaces`` are globs. ``namespace_labels`` and ``labels`` are of the Namespace and of the Secret: all have to be
    there, with values that match (globs). Whoever writes a Secret writes its labels: they are no protection.
    """

    namespaces: tuple[str, ...] = ("*",)
    namespace_labels: dict[str, str] = {}
    labels: dict[str, str] = {}
    action: Most = "deny"


class SecretWriter(_Section, frozen=True):
    """Who may write plain Secrets all the same: an operator that makes credentials, a controller of another kind.

    ``users`` and ``groups``: one of them, exactly. ``namespaces`` and ``types`` are globs, of the Secret. ``owners``: kinds
    (``Kind`` or ``Kind.group``) of which an object has to own the Secret as its controller; none: any Secret.
    """

    name: str
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ("*",)
    types: tuple[str, ...] = ("*",)
    owners: tuple[str, ...] = ()


class Plain(_Section, frozen=True):
    """Secrets in plain text, where they are to be sealed or external. ``helm_releases``: whether Helm may keep its own."""

    demands: Annotated[tuple[Demand, ...], Meta(max_length=200)] = ()
    writers: Annotated[tuple[SecretWriter, ...], Meta(max_length=200)] = ()
    helm_releases: bool = True


class SealedObjects(_Section, frozen=True):
    """SealedSecrets. ``elsewhere``: what is done with those noted as sealed for another name, namespace or scope.

    ``certificates``: of the cluster's keys, by their fingerprints; what is noted as sealed with others is warned of.
    """

    elsewhere: Most = "deny"
    certificates: Annotated[tuple[Fingerprint, ...], Meta(max_length=1_000)] = ()


class Secrets(_Section, frozen=True):
    """Credentials in plain text, looked for by ``govgate detect``'s detector in what is admitted and in ``check``.

    ``detect``: the most that a finding does; ``off`` does not look. ``sops``: the same, of what Flux
    Kustomizations in files apply; there is nothing to find without SOPS. ``foreign_targets``: what is done with
    ExternalSecrets that would write over a Secret which is not theirs; it takes the right to ``get`` Secrets, of which the
    metadata alone is asked for. ``external``: the most that is done about ExternalSecrets and their stores that cannot work.
    ``exempt_namespaces`` are globs.
    """

    detect: Most = "off"
    sops: Most = "deny"
    plain: Plain = Plain()
    sealed: SealedObjects = SealedObjects()
    foreign_targets: Most = "off"
    external: Most = "deny"
    exempt_namespaces: tuple[str, ...] = ("kube-system", "kube-node-lease")
    on_error: OnError = OnError.DENY
