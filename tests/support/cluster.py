"""A Kubernetes control plane of the test run's own: etcd, kube-apiserver, and, when asked for, its controllers."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.request import urlopen

from support.api import Api, ApiError, Json
from support.crds import Crd
from support.pki import Authority, rsa_key_pem
from support.processes import Server, free_port
from support.tools import tool
from support.users import ADMIN_GROUPS, CONTROLLER_MANAGER, ROOT, USERS, User

AUDITED = "audited"
_CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "ttl-after-finished-controller",
)


class Cluster:
    """The servers, on ports and in a folder of their own. The API server authorizes by RBAC."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._port = free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        self._etcd_port = free_port()
        self._authority = Authority("govgate tests: API server")
        self.ca_file = str(directory / "ca.crt")
        Path(self.ca_file).write_bytes(self._authority.pem)
        self.audit_log = directory / "audit.log"
        """Of what is asked in the namespace :data:`AUDITED`, and of nothing else."""
        self.ca_bundle = base64.b64encode(self._authority.pem).decode()
        self._tls = ssl.create_default_context(cafile=self.ca_file)
        self.etcd = Server("etcd", self._etcd_command(), directory / "etcd.log")
        self.apiserver = Server("kube-apiserver", self._apiserver_command(), directory / "kube-apiserver.log")
        self.controllers = Server(
            "kube-controller-manager", self._controllers_command(), directory / "kube-controller-manager.log"
        )

    def start(self) -> None:
        """Start etcd and the API server; returns when requests are answered and users have their roles."""
        self.etcd.start()
        self.etcd.wait_until(self._etcd_ready)
        self.start_apiserver()
        root = self.api(ROOT)
        for group in ADMIN_GROUPS:
            root.create(_admin_binding(group))

    def start_apiserver(self) -> None:
        """Start the API server, for the first time or again after :meth:`kill_apiserver`, on the same port."""
        self.apiserver.start()
        self.apiserver.wait_until(self._apiserver_ready, seconds=60)

    def kill_apiserver(self) -> None:
        self.apiserver.kill()

    def start_controllers(self) -> None:
        """Start the controller manager, each controller with its own service account, as kubeadm does."""
        self.controllers.start()
        root = self.api(ROOT)
        probe = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "controllers-ready"}}
        root.create(probe)
        root.delete(probe)
        self.controllers.wait_until(lambda: _gone(root, probe), seconds=60)

    def stop(self) -> None:
        """Kill all servers. The logs stay; etcd's data, some hundred MB, does not."""
        for server in (self.controllers, self.apiserver, self.etcd):
            server.kill()
        shutil.rmtree(self.directory / "etcd", ignore_errors=True)

    def logs(self) -> str:
        """The ends of all logs, for the report of a failed test."""
        servers = (self.etcd, self.apiserver, self.controllers)
        return "\n".join(f"--- {server.name}\n{server.log_tail()}" for server in servers if server.log.exists())

    def api(self, user: User) -> Api:
        """A client that acts as ``user``."""
        return Api(self.url, self.ca_file, user)

    def kubeconfig(self, user: User) -> Path:
        """A kubeconfig of ``user``."""
        path = self.directory / f"{user.name.replace(':', '_')}.kubeconfig"
        cluster = {"server": self.url, "certificate-authority-data": self.ca_bundle}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "tests",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "user", "user": {"token": user.token}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "user"}}],
        }
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    def kubectl(
        self, user: User, *arguments: str, stdin: str | None = None, editor: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run the real kubectl as ``user``. ``editor``: a shell command that edits the file it is given, for ``edit``."""
        environment = {
            "HOME": str(self.directory),
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(self.kubeconfig(user)),
            "KUBE_EDITOR": editor or "false",
        }
        return subprocess.run(
            [tool("kubectl"), *arguments],
            env=environment, input=stdin, capture_output=True, text=True, check=check, timeout=60,
        )  # fmt: skip

    def install(self, crds: Iterable[Crd]) -> None:
        """Install CRDs that are not there yet, and wait until they are served."""
        root = self.api(ROOT)
        for crd in crds:
            try:
                root.create(crd.manifest(), manager="tests")
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
            version = f"{crd.group}/{crd.versions[0]}"
            self.apiserver.wait_until(lambda v=version, k=crd.kind: _served(self.api(ROOT), v, k))

    def compact(self) -> None:
        """Drop etcd's history: watches from an old resourceVersion are answered 410 from here on."""
        base = f"http://127.0.0.1:{self._etcd_port}/v3/kv"
        with urlopen(f"{base}/range", data=b'{"key": "AA=="}', timeout=10) as response:  # noqa: S310 - loopback
            revision = json.load(response)["header"]["revision"]
        body = json.dumps({"revision": revision, "physical": True}).encode()
        with urlopen(f"{base}/compaction", data=body, timeout=10):  # noqa: S310 - loopback
            pass

    def _etcd_command(self) -> list[str]:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{free_port()}"
        return [
            tool("etcd"), f"--data-dir={self.directory / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
        ]  # fmt: skip

    def _apiserver_command(self) -> list[str]:
        certificate, key = self._authority.issue_to(self.directory, "apiserver")
        accounts_key = self.directory / "service-accounts.key"
        accounts_key.write_bytes(rsa_key_pem())
        policy = self.directory / "audit-policy.json"
        rules = [{"level": "Metadata", "namespaces": [AUDITED]}, {"level": "None"}]
        policy.write_text(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}))
        tokens = self.directory / "tokens.csv"
        tokens.write_text("".join(f"{user.token_line}\n" for user in USERS), encoding="utf-8")
        return [
            tool("kube-apiserver"), "--bind-address=127.0.0.1", f"--secure-port={self._port}",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}", "--endpoint-reconciler-type=none",
            f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}", f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={accounts_key}",
            f"--service-account-signing-key-file={accounts_key}",
            f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}",
            # Without the controllers that create them, Pods would wait for service accounts and their tokens.
            "--disable-admission-plugins=ServiceAccount", "--v=1",
        ]  # fmt: skip

    def _controllers_command(self) -> list[str]:
        kubeconfig = self.kubeconfig(CONTROLLER_MANAGER)
        return [
            tool("kube-controller-manager"), f"--kubeconfig={kubeconfig}", "--use-service-account-credentials",
            f"--controllers={','.join(_CONTROLLERS)}", "--leader-elect=false", "--secure-port=0",
            f"--service-account-private-key-file={self.directory / 'service-accounts.key'}",
            f"--root-ca-file={self.ca_file}", "--v=1",
        ]  # fmt: skip

    def _etcd_ready(self) -> bool:
        with urlopen(f"http://127.0.0.1:{self._etcd_port}/health", timeout=2) as response:
            return bool(json.load(response)["health"] == "true")

    def _apiserver_ready(self) -> bool:
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=5, context=self._tls)
        try:
            connection.request("GET", "/readyz", headers={"Authorization": f"Bearer {ROOT.token}"})
            return connection.getresponse().status == 200
        finally:
            connection.close()


def _admin_binding(group: str) -> Json:
    api_group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api_group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"tests:{group}"},
        "roleRef": {"apiGroup": api_group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": api_group, "kind": "Group", "name": group}],
    }


def _served(api: Api, api_version: str, kind: str) -> bool:
    try:
        api.list(api_version, kind)
    except (ApiError, KeyError):
        return False
    return True


def _gone(api: Api, item: Json) -> bool:
    try:
        api.get(item["apiVersion"], item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])
    except ApiError as error:
        return error.code == 404
    return False


def wait_for(condition: Callable[[], object], *, seconds: float = 30.0) -> None:
    """Until ``condition()`` is true; an AssertionError says it never was."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.05)
