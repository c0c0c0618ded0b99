"""Two gateways behind one port, asked by a real API server with ``failurePolicy: Fail``, while people and Flux write.

Whatever is done to the gateways in order loses no request; whatever is done to them by force loses those that were on
their way to what was killed, and no other. No request is ever judged wrongly.

Over HTTP/1.1 a server cannot say that a kept connection ends before it has ended. A request that the API server sends
on one that a gateway has ended already was never asked of anybody; the port sees that, and they are counted apart.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from recordings.objects import FLUX, config_map, labelled
from support.api import ApiError
from support.balancer import Balancer
from support.cluster import Cluster, wait_for
from support.gateway import Gateway, eventually
from support.pki import Authority
from support.registration import believe, registered
from support.users import ALICE, KUSTOMIZE_CONTROLLER, ROOT
from support.writers import CLIENTS, Write, Writers

pytestmark = [pytest.mark.native, pytest.mark.timeout(600)]

RULES = """package main

import rego.v1

deny contains sprintf("%s is not wanted", [key]) if {
	some key in {KEYS}
	key in object.keys(input.data)
}
"""
RELOADED = 'govgate_config_reloads_total{result="success"}'
NOT_RELOADED = 'govgate_config_reloads_total{result="failure"}'


class Scene:
    """The two gateways, the port before them, and those who write."""

    def __init__(self, gateways: list[Gateway], balancer: Balancer, writers: Writers, rules: Path) -> None:
        self.gateways, self.balancer, self.writers, self.rules = gateways, balancer, writers, rules
        self.phases: list[tuple[str, bool, int, int]] = []

    def busier(self) -> Gateway:
        """The one that the API server has more connections with."""
        return max(self.gateways, key=lambda one: self.balancer.to(self.gateways.index(one)))

    @contextmanager
    def phase(self, name: str, *, killing: bool = False) -> Iterator[None]:
        """Something is done under load, and all that it brings about is over at the end."""
        before = self.balancer.cut(), self.balancer.crossed()
        self.writers.phase(name)
        self.writers.more()
        yield
        wait_for(lambda: all(self.balancer.ready.values()), seconds=60)
        self.writers.more()
        wait_for(self.balancer.settled, seconds=60)
        cut, crossed = self.balancer.cut() - before[0], self.balancer.crossed() - before[1]
        self.phases.append((name, killing, cut, crossed))

    def judge(self) -> None:
        """Say what ran, and that nothing was lost or wrong."""
        sys.stdout.write(f"\nconnections refused by a gateway and taken by the other: {self.balancer.refused}\n")
        for name, killing, cut, crossed in self.phases:
            said = self.writers.said(name)
            sys.stdout.write(f"{name:28} {dict(said)}, {cut} connections ended by a gateway, {crossed} crossed\n")
            assert min(said["allowed"], said["denied"]) >= CLIENTS, name
            lost = [one.message for one in list(self.writers.outcomes) if one.phase == name and one.said == "lost"]
            assert len(lost) <= (cut if killing else crossed), (name, lost)
        assert self.writers.wrong() == []


def writes(namespace: str) -> list[Write]:
    """What is written all the time. Each client has objects of its own."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    managed = labelled(config_map(namespace, greeting="%d"), FLUX)
    del managed["metadata"]["name"]  # it is in the path
    own, flux = f"{path}/own-%d", f"{path}/managed-%d"
    return [
        Write("a person's own", ALICE, own, '{"data": {"count": "%d"}}', "allowed"),
        Write("against a rule", ALICE, own, '{"data": {"unwanted": "%d"}}', "denied"),
        Write("by Flux", KUSTOMIZE_CONTROLLER, flux, json.dumps(managed), "allowed", applied=True),
        Write("what Flux declares", ALICE, flux, '{"data": {"greeting": "%d"}}', "denied"),
    ]


@pytest.fixture
def scene(cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Scene]:
    rules = tmp_path / "rules"
    rules.mkdir()
    put_rules(rules, "unwanted")
    alice, flux = cluster.api(ALICE), cluster.api(KUSTOMIZE_CONTROLLER)
    for number in range(CLIENTS):
        alice.create(config_map(namespace, f"own-{number}"))
        flux.apply(labelled(config_map(namespace, f"managed-{number}"), FLUX), manager=KUSTOMIZE_CONTROLLER.program)
    authority = tmp_path / "ca.crt"
    gateways = [made(tmp_path / f"gateway-{number}", cluster, rules) for number in range(2)]
    authority.write_bytes(gateways[0].authority.pem)
    with ExitStack() as stack:
        for gateway in gateways:
            stack.callback(gateway.kill)
            gateway.certificates.put(*gateways[0].authority.issue(days=30))
            gateway.start()
        balancer = stack.enter_context(Balancer(gateways))
        url = f"https://127.0.0.1:{balancer.port}/v1/validate"
        stack.enter_context(registered(cluster, url, authority, "--timeout-seconds", "30"))
        writers = stack.enter_context(Writers(cluster, writes(namespace)))
        yield Scene(gateways, balancer, writers, rules)


def made(folder: Path, cluster: Cluster, rules: Path) -> Gateway:
    """One gateway. Its bounds of time are those of a busy machine: what is slow is not undecided."""
    folder.mkdir()
    settings = {"drainSeconds": 2.0, "graceSeconds": 20.0, "limits": {"headerSeconds": 60.0, "idleSeconds": 600.0}}
    return Gateway(
        folder,
        settings=settings,
        cluster={"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(ROOT))},
        policy={"sources": [str(rules)], "timeoutSeconds": 25.0},
    )


def put_rules(folder: Path, *keys: str) -> None:
    """Replace the rules as a mount does: all at once."""
    new = folder.parent / "main.new"
    new.write_text(RULES.replace("{KEYS}", json.dumps(keys)))
    new.replace(folder / "main.rego")


def again(gateway: Gateway) -> None:
    """Start one that has ended, with its folder."""
    gateway.log.unlink()
    gateway.start()


def refused(cluster: Cluster, namespace: str, key: str) -> bool:
    """Whether a ConfigMap with that key may not be made, for that reason."""
    item = config_map(namespace, "probe", **{key: "x"})
    try:
        cluster.api(ALICE).apply(item, manager="tests", dry_run=True)
    except ApiError as error:
        return f"{key} is not wanted" in error.message
    return False


def all_say(scene: Scene, holds: Callable[[Gateway], object]) -> None:
    for gateway in scene.gateways:
        eventually(lambda one=gateway: holds(one), seconds=60)


def test_nothing_is_lost(cluster: Cluster, namespace: str, scene: Scene) -> None:
    """Restarts, kills, other certificates, rules and configurations, one after the other, under the same load."""
    with scene.phase("nothing is done"):
        pass
    rolling_restart(scene)
    workers_replaced(scene)
    worker_killed(scene)
    gateway_killed(scene)
    authority_changed(cluster, scene)
    rules_swapped(cluster, namespace, scene)
    configuration_changed(cluster, namespace, scene)
    scene.judge()


def rolling_restart(scene: Scene) -> None:
    """As a StatefulSet does it: SIGTERM, wait, start, wait until it is ready, then the other one."""
    for number, gateway in enumerate(scene.gateways):
        with scene.phase(f"restart of gateway {number}"):
            assert gateway.stop() == 0
            scene.writers.more()
            again(gateway)


def workers_replaced(scene: Scene) -> None:
    for number, gateway in enumerate(scene.gateways):
        with scene.phase(f"SIGUSR2 to gateway {number}"):
            gateway.process.send_signal(signal.SIGUSR2)
            eventually(lambda one=gateway: one.events("workers replaced"), seconds=60)


def worker_killed(scene: Scene) -> None:
    gateway = scene.busier()
    with scene.phase("a worker killed", killing=True):
        [worker] = gateway.workers()
        worker.kill()
        worker.wait(30)
        eventually(lambda: gateway.health("/readyz").status == 200, seconds=60)


def gateway_killed(scene: Scene) -> None:
    gateway = scene.busier()
    with scene.phase("a gateway killed", killing=True):
        family = gateway.process.children(recursive=True)
        gateway.kill()
        for process in family:
            process.wait(30)
        scene.writers.more()
        again(gateway)


def authority_changed(cluster: Cluster, scene: Scene) -> None:
    """Made known first, then used, then the old one is forgotten: at each moment what is shown is believed."""
    old, new = scene.gateways[0].authority, Authority("the next one")
    with scene.phase("another authority is known"):
        believe(cluster, "govgate", old.pem + new.pem)
    with scene.phase("certificates of its"):
        for gateway in scene.gateways:
            gateway.certificates.put(*new.issue(days=30))
            gateway.authority = new
        all_say(scene, lambda one: one.metric("govgate_tls_reloads_total") == 1)
    with scene.phase("the old one is forgotten"):
        believe(cluster, "govgate", new.pem)
    for gateway in scene.gateways:
        assert gateway.ask(b"{}").status == 400


def rules_swapped(cluster: Cluster, namespace: str, scene: Scene) -> None:
    assert not refused(cluster, namespace, "later")
    with scene.phase("other rules"):
        put_rules(scene.rules, "unwanted", "later")
        all_say(scene, lambda one: one.events("configuration reloaded"))
    assert all(refused(cluster, namespace, "later") for _ in range(4))


def configuration_changed(cluster: Cluster, namespace: str, scene: Scene) -> None:
    with scene.phase("a wrong configuration"):
        for gateway in scene.gateways:
            gateway.write_config("mode: perhaps")
        all_say(scene, lambda one: one.metric(NOT_RELOADED) == 1)
    assert all(refused(cluster, namespace, "later") for _ in range(4))
    more = scene.rules.parent / "more"
    more.mkdir()
    (more / "more.rego").write_text(RULES.replace("{KEYS}", '["last"]').replace("main", "more"))
    with scene.phase("a right configuration"):
        for gateway in scene.gateways:
            gateway.config["policy"]["sources"].append(str(more))
            before = gateway.metric(RELOADED)
            gateway.write_config()
            eventually(lambda one=gateway, count=before: one.metric(RELOADED) > count, seconds=60)
    assert all(refused(cluster, namespace, "last") for _ in range(4))
