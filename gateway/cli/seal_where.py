"""Where a controller of sealed secrets is: the options that say so, named as kubeseal names them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

CONTROLLER_NAME, CONTROLLER_NAMESPACE = "sealed-secrets-controller", "kube-system"
_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class Where(msgspec.Struct, frozen=True):
    """Which cluster, and which Service in it. An empty kubeconfig or context: as kubectl finds them."""

    kubeconfig: str = ""
    context: str = ""
    name: str = CONTROLLER_NAME
    namespace: str = CONTROLLER_NAMESPACE

    def may_be_found(self) -> bool:
        """Whether there is anything that says where the cluster is."""
        named = self.kubeconfig or self.context or os.environ.get("KUBECONFIG")
        return bool(named) or (Path.home() / ".kube" / "config").exists() or _TOKEN.exists()


Kubeconfig = Annotated[str, Parameter(name=["--kubeconfig"])]
Context = Annotated[str, Parameter(name=["--context"])]
ControllerName = Annotated[str, Parameter(name=["--controller-name"], env_var="SEALED_SECRETS_CONTROLLER_NAME")]
ControllerNamespace = Annotated[
    str, Parameter(name=["--controller-namespace"], env_var="SEALED_SECRETS_CONTROLLER_NAMESPACE")
]
