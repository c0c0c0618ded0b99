"""Where a scene is played: a namespace of its own in the tests' cluster, and those who act in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from recordings.objects import FLUX, HELM, labelled, tracked
from support.api import Api
from support.cluster import Cluster
from support.users import ARGO_CONTROLLER, HELM_CONTROLLER, KUSTOMIZE_CONTROLLER, ROOT, User

Json = dict[str, Any]
Play = Callable[["Stage"], Generator[None, None, None]]


@dataclass(frozen=True)
class Expected:
    """Which of the requests of a scene is the one to keep: exactly one must fit."""

    operation: str
    resource: str
    name: str
    """``{namespace}`` in it stands for the scene's own: what is not namespaced has it in its name."""
    user: str = ""
    """The end of the user name; empty for any."""

    def fits(self, request: Json, namespace: str) -> bool:
        resource = request["resource"]["resource"]
        if request.get("subResource"):
            resource += "/" + request["subResource"]
        about = request.get("oldObject") or request["object"]
        # A deletecollection passes no name, a Scale object has one of its own.
        name = request.get("name") or about["metadata"]["name"]
        return (
            (request["operation"], resource) == (self.operation, self.resource)
            and name == self.name.format(namespace=namespace)
            and request.get("namespace", "") in {namespace, ""}
            and request["userInfo"]["username"].endswith(self.user)
        )


@dataclass(frozen=True)
class Scene:
    """``play`` sets the scene up until its ``yield``; what follows makes the request that is kept."""

    name: str
    title: str
    namespace: str
    """What the recording calls the namespace."""
    expected: Expected
    play: Play


@dataclass
class Stage:
    """The hands of everybody who acts."""

    cluster: Cluster
    namespace: str
    replacements: list[tuple[str, str]] = field(default_factory=list)
    """Further texts that differ from run to run, and what becomes of them."""

    def api(self, user: User) -> Api:
        return self.cluster.api(user)

    def flux(self, item: Json) -> Json:
        """As Flux's kustomize-controller applies: its labels, server-side, forced."""
        return self.api(KUSTOMIZE_CONTROLLER).apply(labelled(item, FLUX), manager="kustomize-controller")

    def helm(self, item: Json) -> Json:
        """As Flux's helm-controller installs with Helm 3: a plain create, in its field manager's name."""
        labels = {**HELM, "app.kubernetes.io/managed-by": "Helm"}
        return self.api(HELM_CONTROLLER).create(labelled(item, labels), manager="helm-controller")

    def argo(self, item: Json, app: str = "shop") -> None:
        """As Argo CD syncs by default: kubectl's client-side apply, with last-applied-configuration."""
        manifest = json.dumps(tracked(item, app))
        arguments = ("apply", "--field-manager=argocd-controller", "-f", "-")
        self.cluster.kubectl(ARGO_CONTROLLER, *arguments, stdin=manifest)

    def get(self, item: Json) -> Json:
        metadata = item["metadata"]
        return self.api(ROOT).get(item["apiVersion"], item["kind"], metadata.get("namespace", ""), metadata["name"])

    def kubectl(self, user: User, *arguments: str, stdin: str | None = None, editor: str | None = None) -> None:
        """The real kubectl, in the scene's namespace."""
        self.cluster.kubectl(user, "--namespace", self.namespace, *arguments, stdin=stdin, editor=editor)
