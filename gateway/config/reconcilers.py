"""Configuration of the reconcilers that the drift guard knows besides Flux and Argo CD: who acts, and how strictly.

``mode`` is None where the guard's holds. A class whose marks prove nothing by themselves is ``disabled`` until somebody
says what it is to do (docs/reconcilers.md says which, and why).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Mode = Literal["enforce", "warn", "shadow", "disabled"]
"""enforce denies, warn answers with a warning, shadow only records, disabled does not look."""


class Section(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A part of the configuration: camel case in the file, nothing unknown in it."""


class Actors(Section, frozen=True):
    """Who: user names, exactly, or groups. Never field managers: those are asserted by the client."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class ConfigSync(Section, frozen=True):
    """Config Sync. Each RootSync and RepoSync has an account of its own in ``namespace``, known by its name.

    ``actors`` may act for all of them: the default RootSync's reconciler takes over what namespaces manage.
    """

    mode: Mode | None = None
    actors: Actors = Actors(users=("system:serviceaccount:config-management-system:root-reconciler",))
    field_managers: tuple[str, ...] = ("configsync",)
    namespace: str = "config-management-system"


class Crossplane(Section, frozen=True):
    """Crossplane: composed resources, and composite resources that a claim stands behind.

    A field manager that ends in ``*`` stands for all that begin so: composed resources are applied under a name per
    composite.
    """

    mode: Mode | None = None
    actors: Actors = Actors(users=("system:serviceaccount:crossplane-system:crossplane",))
    field_managers: tuple[str, ...] = ("apiextensions.crossplane.io/composed/*", "apiextensions.crossplane.io/claim")


class Fleet(Section, frozen=True):
    """Rancher Fleet, in a cluster that its agent deploys to. Bundles may name accounts of their own: add them."""

    mode: Mode | None = "disabled"
    actors: Actors = Actors(
        users=(
            "system:serviceaccount:cattle-fleet-system:fleet-agent",
            "system:serviceaccount:cattle-fleet-system:fleet-default",
            "system:serviceaccount:cattle-fleet-local-system:fleet-agent",
            "system:serviceaccount:cattle-fleet-local-system:fleet-default",
        )
    )
    field_managers: tuple[str, ...] = ("fleetagent",)


class Pulumi(Section, frozen=True):
    """The Pulumi operator. The accounts of all Stacks act as well: an object does not say which Stack it belongs to."""

    mode: Mode | None = "disabled"
    actors: Actors = Actors(
        users=(
            "system:serviceaccount:pulumi-kubernetes-operator:pulumi-kubernetes-operator-controller-manager",
            "system:serviceaccount:pulumi-kubernetes-operator:pulumi-kubernetes-operator",
            "system:serviceaccount:pulumi-kubernetes-operator:controller-manager",
        )
    )
    field_managers: tuple[str, ...] = ("pulumi-kubernetes", "pulumi-kubernetes-*")


class TofuController(Section, frozen=True):
    """tofu-controller: outputs and plans of a Terraform object. ``approvers`` may set its ``spec.approvePlan``."""

    mode: Mode | None = "disabled"
    actors: Actors = Actors(users=("system:serviceaccount:flux-system:tofu-controller",))
    approvers: Actors = Actors()
    default_service_account: str = "tf-runner"


class Metal3(Section, frozen=True):
    """BareMetalHosts that Cluster API's provider for Metal³ consumes."""

    mode: Mode | None = "disabled"
    actors: Actors = Actors()


class HelmReleases(Section, frozen=True):
    """Releases that nobody but Helm manages. Whoever runs it is to be named: there is no account that Helm has."""

    mode: Mode | None = "disabled"
    actors: Actors = Actors()
    field_managers: tuple[str, ...] = ("helm",)


class Kargo(Section, frozen=True):
    """Kargo's controller: it may promote in Applications that authorize one of its stages. No actors: it may not."""

    actors: Actors = Actors(users=("system:serviceaccount:kargo:kargo-controller",))
