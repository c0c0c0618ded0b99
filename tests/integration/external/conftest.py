"""A controller of ExternalSecrets, the types of ESO, and an OpenBao server to read from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.cluster import Cluster
from support.controller import ControllerProcess
from support.crds import EXTERNAL_SECRETS
from support.external_site import Site
from support.openbao import OpenBao
from support.users import GOVGATE, ROOT

Json = dict[str, Any]


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    """One server for all tests; each writes below a path of its own."""
    server = OpenBao(tmp_path_factory.mktemp("openbao"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def types(cluster: Cluster) -> None:
    """ESO's types are known."""
    cluster.install(EXTERNAL_SECRETS)


@pytest.fixture
def site(cluster: Cluster, types: None, namespace: str, bao: OpenBao) -> Iterator[Site]:
    """A namespace with a store."""
    made = Site(cluster.api(ROOT), namespace, bao)
    made.store()
    yield made
    made.end()


Start = Callable[..., ControllerProcess]


@pytest.fixture(scope="module")
def role(cluster: Cluster) -> Iterator[None]:
    """The rights that docs/secrets.md lists, for govgate."""
    api = cluster.api(ROOT)
    items = documented_role()
    for item in items:
        api.apply(item, manager="tests")
    yield
    for item in items:
        api.delete(item, missing_ok=True)


TOKEN = "token-of-the-tests"
_modules = count(1)


def process_in(
    folder: Path,
    cluster: Cluster,
    namespace: str,
    *,
    environment: dict[str, str] | None = None,
    api_port: int = 0,
    election: Json | None = None,
    **external: Any,
) -> ControllerProcess:
    """A controller of ExternalSecrets, not started yet, with its own Secret in this namespace, and a place to tell of changes.

    ``api_port``: where it finds the API server, if that is elsewhere. ``election``: how it becomes the leader, if it must.
    """
    folder.mkdir(exist_ok=True)
    token = folder / "token"
    token.write_text(f"{TOKEN}\n")
    intake = {"enabled": True, "host": "127.0.0.1", "port": 0, "tokenFile": str(token)}
    kubeconfig = cluster.kubeconfig(GOVGATE)
    if api_port:
        text = kubeconfig.read_text().replace(cluster.url, f"https://127.0.0.1:{api_port}")
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(text)
    return ControllerProcess(
        folder,
        environment=environment,
        cluster={
            "connect": "kubeconfig",
            "kubeconfig": str(kubeconfig),
            "ownNamespace": namespace,
        },
        controller={
            "election": {"enabled": election is not None, **(election or {})},
            "scan": {"enabled": False},
            "external": {
                "enabled": True,
                "minRefreshSeconds": 0.5,
                "revokeGraceSeconds": 1,
                "intake": intake,
                **external,
            },
        },
    )


@pytest.fixture(scope="module")
def running(
    cluster: Cluster, types: None, role: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControllerProcess]:
    """One controller for the tests of a module, in a namespace of its own."""
    own: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"external-{next(_modules)}"}}
    api = cluster.api(ROOT)
    api.create(own)
    restarts = {"enabled": True, "settleSeconds": 0.5}
    process = process_in(tmp_path_factory.mktemp("running"), cluster, own["metadata"]["name"], restarts=restarts)
    try:
        process.start()
        yield process
    finally:
        process.kill()
        api.delete(own, missing_ok=True)


@pytest.fixture
def controller(cluster: Cluster, types: None, role: None, namespace: str, tmp_path: Path) -> Iterator[Start]:
    """Start a controller of the test's own."""
    with ExitStack() as ends:

        def start(name: str = "controller", **external: Any) -> ControllerProcess:
            process = process_in(tmp_path / name, cluster, namespace, **external)
            ends.callback(process.kill)
            process.start()
            return process

        yield start


def documented_role() -> list[Json]:
    """What docs/secrets.md says the controller needs."""
    rules = []
    section = (
        (Path(__file__).parents[3] / "docs" / "secrets.md").read_text().partition("### What the controller needs")[2]
    )
    for row in re.findall(r"^\| (.*) \| (.*) \| (.*) \| .* \|$", section.partition("\n## ")[0], re.MULTILINE):
        groups, resources, verbs = (re.findall(r"`([^`]+)`", cell) for cell in row)
        if verbs:
            rules.append({"apiGroups": groups or [""], "resources": resources, "verbs": verbs})
    assert len(rules) >= 6
    name, group = "govgate-controller-external", "rbac.authorization.k8s.io"
    return [
        {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": "govgate", "namespace": "govgate-system"}],
        },
    ]
