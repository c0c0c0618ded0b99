"""Bitnami's own controller, of the pinned release, for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from support.cluster import Cluster
from support.processes import Server, free_port
from support.tools import tool
from support.users import ROOT

UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]
ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"


def apart() -> bool:
    """Whether a process can be given a file system of its own here."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode == 0


class Bitnami:
    """Their controller, for one namespace. It finds the API server in its environment, and its token in the one place where
    it looks: a file system of its own makes that place.
    """

    def __init__(self, cluster: Cluster, namespace: str, folder: Path) -> None:
        account = folder / "account"
        account.mkdir()
        (account / "token").write_text(ROOT.token)
        (account / "namespace").write_text(namespace)
        shutil.copy(cluster.ca_file, account / "ca.crt")
        self.url = f"http://127.0.0.1:{free_port()}"
        addresses = f"--listen-addr={self.url.removeprefix('http://')} --listen-metrics-addr=127.0.0.1:{free_port()}"
        started = f"{tool('sealed-secrets-controller')} --all-namespaces=false {addresses}"
        placed = f"mount -t tmpfs none /run && mkdir -p {ACCOUNT} && cp {account}/* {ACCOUNT}"
        host, _, port = cluster.url.removeprefix("https://").partition(":")
        environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port, "POD_NAMESPACE": namespace}
        command = [str(shutil.which("unshare")), *UNSHARE[1:], "sh", "-c", f"{placed} && exec {started}"]
        self.server = Server("sealed-secrets", command, folder / "controller.log", {**os.environ, **environment})
