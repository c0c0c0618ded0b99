"""The Pulumi operator: Stacks.

An object does not say which stack it belongs to; that Pulumi wrote it stands in managedFields alone, under a name that
any client may use. So this class is off until it is switched on, and what it protects is what bears that name. The operator
itself writes no program's objects: its hand, of a name that begins in the same way, is on Stacks (a finalizer) and on what it
runs programs in.
Sources: pulumi-kubernetes ``provider/pkg/provider/provider.go`` (field manager names); pulumi-kubernetes-operator 2.x
``operator/api/pulumi/shared/stack_types.go``, ``operator/internal/controller/pulumi/stack_controller.go`` (its own field
manager; whose account a workspace has), ``operator/internal/controller/auto/workspace_controller.go`` (Pod template).
"""

from __future__ import annotations

from gateway.config.reconcilers import Pulumi
from gateway.core.subject import Json, Subject
from webhooks.drift.facts import Owner, OwnerRef, Source
from webhooks.drift.managed import Entry, Managers, by, has_controller, metadata
from webhooks.drift.reconcilers.base import Defaults, git_place
from webhooks.drift.reconcilers.records import Record, section, service_account, text

_OPERATOR = "pulumi-kubernetes-operator"

ANY_STACK = OwnerRef("pulumi", "", "stack")
"""The owner of all that Pulumi wrote."""


class _Hands(Managers):
    """The configured field managers, without the operator's own."""

    def __contains__(self, name: object) -> bool:
        return not str(name).startswith(_OPERATOR) and super().__contains__(name)


class PulumiReconciler(Defaults):
    """Pulumi's Kubernetes provider, server-side (a name per object) or client-side."""

    id = "pulumi"
    section = "pulumi"
    title = "Pulumi"

    def __init__(self, config: Pulumi) -> None:
        self.mode = config.mode
        self.actors = config.actors
        self.managers = _Hands(config.field_managers)
        self.marks = tuple({name.rstrip("*-") for name in config.field_managers})

    def claim(self, obj: Json, subject: Subject, listed: list[Entry]) -> OwnerRef | None:  # noqa: ARG002 - the protocol's
        """By the field manager, on an object that nothing else controls."""
        return ANY_STACK if by(self.managers, listed) and not has_controller(obj) else None

    def remedy(self, owner: OwnerRef, source: Source) -> str:  # noqa: ARG002 - the protocol's
        """Change the program and let the operator update the stack."""
        return f"Change the Pulumi program{git_place(source)}: the operator updates the stack."


def stack(obj: Json) -> Record:
    """A Stack (``pulumi.com/v1``). Its workspace runs as the account that its templates name, the innermost first, else as
    the one that it names itself, else as its namespace's ``default``.
    """
    meta, spec = metadata(obj), section(obj, "spec")
    namespace = text(meta.get("namespace"))
    workspace = section(spec, "workspaceTemplate", "spec")
    places = (section(workspace, "podTemplate", "spec"), workspace, spec)
    names = (text(place.get("serviceAccountName")) for place in places)
    return Record(
        ref=OwnerRef("pulumi", namespace, text(meta.get("name"))),
        owner=Owner(accounts=service_account(namespace, next(filter(None, names), "default"))),
    )
