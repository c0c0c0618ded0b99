"""`govgate controller` unseals, against a real API server: what kubeseal and govgate sealed, whatever comes between."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from socket import AF_INET
from typing import Any

import psutil
import pytest
import yaml
from prometheus_client import CollectorRegistry
from support.api import Api, ApiError
from support.bitnami import Bitnami, apart
from support.cluster import Cluster, wait_for
from support.controller import ControllerProcess
from support.sealing import PLAINTEXT, certificate_pem, encoded, key_pem, key_secret, sealing
from support.tools import tool
from support.users import GOVGATE, ROOT

from gateway.cli.app import run
from gateway.config.controller import Controller
from gateway.config.controller import Sealed as Settings
from gateway.config.model import Cluster as Connection
from gateway.config.model import Config
from gateway.controllers.frame import Context
from gateway.controllers.sealed.loop import SealedLoop
from gateway.kube import connect
from gateway_secrets.sealed.certificate import parse_certificate
from gateway_secrets.sealed.keyring import ring_of
from gateway_secrets.sealed.objects import Secret
from gateway_secrets.sealed.reconcile import MARK
from gateway_secrets.sealed.scope import Scope
from gateway_secrets.sealed.sealing import Sealing, seal_secret

Json = dict[str, Any]
SEALED = ("bitnami.com/v1alpha1", "SealedSecret")
Start = Callable[..., ControllerProcess]


def fresh_key(name: str, age: timedelta = timedelta(days=1)) -> Json:
    """A key as Bitnami's controller keeps it, of that age by this machine's clock."""
    pem = certificate_pem(name, since=(datetime.now(UTC) - age).replace(microsecond=0))
    return key_secret(name) | {"data": {"tls.crt": encoded(pem), "tls.key": encoded(key_pem(name))}}


@pytest.fixture
def keys(api: Api, namespace: str) -> Callable[..., None]:
    """Put keys of Bitnami's into the gateway's namespace, which is the test's own."""

    def put(name: str = "a", age: timedelta = timedelta(days=1)) -> None:
        secret = fresh_key(name, age)
        api.create(secret | {"metadata": secret["metadata"] | {"namespace": namespace}})

    return put


@pytest.fixture
def claimed(api: Api, namespace: str) -> Iterator[str]:
    """A namespace whose SealedSecrets are govgate's."""
    item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-claimed"}}
    api.create(item)
    yield item["metadata"]["name"]
    api.delete_collection(*SEALED, item["metadata"]["name"])
    api.delete(item, missing_ok=True)


@pytest.fixture
def controller(cluster: Cluster, api: Api, namespace: str, claimed: str, tmp_path: Path) -> Iterator[Start]:
    """Start a controller with the rights that docs/sealing.md lists, and no others."""
    with ExitStack() as ends:
        for item in documented_roles(namespace, claimed):
            api.apply(item, manager="tests")
            ends.callback(api.delete, item, missing_ok=True)

        def start(name: str = "controller", *, election: Json | None = None, **sealed: Any) -> ControllerProcess:
            connection = {"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(GOVGATE))}
            process = ControllerProcess(
                tmp_path / name,
                cluster={**connection, "ownNamespace": namespace},
                controller={
                    "election": election or {"leaseSeconds": 2, "renewSeconds": 1.5, "retrySeconds": 0.2},
                    "scan": {"enabled": False},
                    "sealed": {"namespaces": [claimed], **sealed},
                },
            )
            ends.callback(process.kill)
            process.start()
            return process

        yield start


def documented_roles(own: str, claimed: str) -> list[Json]:
    """Roles and bindings of the manifest in docs/sealing.md, for these namespaces."""
    text = (Path(__file__).parents[3] / "docs" / "sealing.md").read_text().partition("### What it needs")[2]
    manifest = text.partition("```yaml\n")[2].partition("```")[0]
    placed = manifest.replace("OWN_NAMESPACE", own).replace("CLAIMED_NAMESPACE", claimed)
    found = [item for item in yaml.safe_load_all(placed) if item]
    assert [item["kind"] for item in found] == ["Role", "RoleBinding"] * 2
    return found


def sealed(namespace: str, name: str = "db", *, key: str = "a", scope: Scope = Scope.STRICT, **values: str) -> Json:
    """A SealedSecret for a key."""
    raw = {name: value.encode() for name, value in (values or {"password": PLAINTEXT}).items()}
    return seal_secret(Secret(name, namespace, raw), scope, sealing(key, digests=None)).document


def secret_of(api: Api, namespace: str, name: str = "db") -> Json | None:
    try:
        return api.get("v1", "Secret", namespace, name)
    except ApiError as error:
        if error.code != 404:
            raise
        return None


def password(api: Api, namespace: str, name: str = "db") -> str | None:
    found = secret_of(api, namespace, name)
    return (found.get("data") or {}).get("password") if found is not None else None


def served(port: int) -> bool:
    """Whether the certificate is: until the keys are read it is not."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/v1/cert.pem")
        status = connection.getresponse().status
    finally:
        connection.close()
    assert status in {200, 503}
    return status == 200


def condition(api: Api, namespace: str, name: str = "db") -> Json:
    conditions = api.get(*SEALED, namespace, name).get("status", {}).get("conditions") or [{}]
    return dict(conditions[0])


PLAIN = encoded(PLAINTEXT.encode())


def test_sealed_becomes_secret_and_stays(
    api: Api, namespace: str, claimed: str, keys: Callable[..., None], controller: Start
) -> None:
    """What the pinned kubeseal sealed with the certificate that is served, and what govgate did; changes of the Secret are
    undone, a deleted one comes back, another SealedSecret makes another one; nobody else's namespace is touched.
    """
    keys()
    api.create(sealed(namespace))
    process = controller(endpoints={"enabled": True, "host": "127.0.0.1", "port": 0})
    wait_for(lambda: process.events("sealing endpoints"))
    port = process.events("sealing endpoints")[0]["port"]
    wait_for(lambda: served(port))
    plain = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs", "namespace": claimed}}
    given = json.dumps(plain | {"stringData": {"password": PLAINTEXT}})
    command = [tool("kubeseal"), "--cert", f"http://127.0.0.1:{port}/v1/cert.pem"]
    done = subprocess.run(command, input=given.encode(), check=True, capture_output=True, timeout=60)
    api.create(json.loads(done.stdout))
    api.create(sealed(claimed, scope=Scope.NAMESPACE_WIDE))
    for name in ("theirs", "db"):
        wait_for(lambda name=name: condition(api, claimed, name).get("status") == "True", seconds=20)
        assert password(api, claimed, name) == PLAIN

    api.patch(secret_of(api, claimed), {"data": {"password": encoded(b"drift")}, "metadata": {"labels": {"a": "b"}}})
    wait_for(lambda: password(api, claimed) == PLAIN)
    healed = secret_of(api, claimed)
    assert healed is not None
    assert "labels" not in healed["metadata"]
    api.delete(healed)
    wait_for(lambda: password(api, claimed) == PLAIN)
    for name in ("db", "theirs"):
        api.patch(api.get(*SEALED, claimed, name), {"spec": sealed(claimed, name, password="new")["spec"]})
    wait_for(lambda: condition(api, claimed).get("status") == "False")  # sealed for another scope: the Secret stays
    wait_for(lambda: password(api, claimed, "theirs") == encoded(b"new"))
    assert password(api, claimed) == PLAIN

    assert (secret_of(api, namespace), condition(api, namespace)) == (None, {})
    assert process.get("/readyz") == (200, "ok")
    assert process.metric('govgate_sealed_secrets{state="synced"}') == 1
    events = api.list("v1", "Event", claimed)
    assert {event["reason"] for event in events} == {"Unsealed", "ErrUnsealFailed"}
    assert PLAINTEXT not in json.dumps(events) + process.log.read_text() + process.get("/metrics")[1]
    assert process.stop() == 0


def test_bad_ones_are_told_and_block_nobody(
    api: Api, namespace: str, claimed: str, keys: Callable[..., None], controller: Start
) -> None:
    """For a key that is not there, cut short, over a foreign Secret, not valid as a Secret: each has its condition, and
    those behind them are made. When the key comes, so does the Secret.
    """
    keys()
    api.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "foreign", "namespace": claimed}})
    api.create(sealed(claimed, "foreign"))
    cut = sealed(claimed, "cut")
    cut["spec"]["encryptedData"]["password"] = "AgBy3i4OJSWK"
    api.create(cut)
    invalid = sealed(claimed, "invalid")
    invalid["spec"]["template"]["type"] = "kubernetes.io/tls"
    api.create(invalid)
    api.create(sealed(claimed, "unknown", key="b"))
    api.create(sealed(claimed))
    controller(concurrency=1)
    wait_for(lambda: condition(api, claimed).get("status") == "True", seconds=20)
    said = {"foreign": "is not managed by", "cut": "cut short", "invalid": "tls.crt", "unknown": "no key opens it"}
    for name, words in said.items():
        wait_for(lambda name=name: condition(api, claimed, name).get("status") == "False")
        assert words in condition(api, claimed, name)["message"]
    kept = secret_of(api, claimed, "foreign")
    assert kept is not None
    assert (kept.get("data"), MARK in json.dumps(kept)) == (None, False)
    keys("b", timedelta(days=2))
    wait_for(lambda: password(api, claimed, "unknown") == PLAIN)


def test_templates_are_filled_in(
    api: Api, namespace: str, claimed: str, keys: Callable[..., None], controller: Start
) -> None:
    """With the values. One that is wrong is told in the condition, and the Secret stays as it was; one that takes all
    memory there is costs that object alone.
    """
    keys()
    templated = sealed(claimed)
    templated["spec"]["template"]["data"] = {"url": "db://{{ .password }}"}
    api.create(templated)
    hoard = sealed(claimed, "hoard")
    hoard["spec"]["template"]["data"] = {"x": '{{ $x := repeat 16000000 "x" }}{{ regexReplaceAll "" $x $x }}'}
    api.create(hoard)
    process = controller(concurrency=2)
    wait_for(lambda: condition(api, claimed).get("status") == "True", seconds=30)
    made = secret_of(api, claimed)
    assert made is not None
    assert made["data"] == {"password": PLAIN, "url": encoded(f"db://{PLAINTEXT}".encode())}
    for text, said in {
        "{{ .password | nosuch }}": 'url: line 1: there is no function "nosuch"',
        "x\n{{ fail .password }}": "url: line 2, column 4: fails on purpose",
        "{{ mustFromJson .password }}": "url: line 1, column 4: mustFromJson fails",
    }.items():
        api.patch(api.get(*SEALED, claimed, "db"), {"spec": {"template": {"data": {"url": text}}}})
        wait_for(lambda said=said: said in condition(api, claimed).get("message", ""), seconds=30)
        assert condition(api, claimed)["status"] == "False"
        kept = secret_of(api, claimed)
        assert kept is not None
        assert kept["data"] == made["data"]
    api.patch(api.get(*SEALED, claimed, "db"), {"spec": {"template": {"data": {"url": "{{ len .password }}"}}}})
    wait_for(lambda: (secret_of(api, claimed) or {})["data"]["url"] == encoded(b"%d" % len(PLAINTEXT)), seconds=30)
    wait_for(lambda: "of memory" in condition(api, claimed, "hoard").get("message", ""), seconds=30)
    assert secret_of(api, claimed, "hoard") is None
    events = json.dumps(api.list("v1", "Event", claimed))
    assert PLAINTEXT not in events + process.log.read_text() + process.get("/metrics")[1]
    assert process.stop() == 0


def test_a_key_is_made_and_renewed(
    api: Api, namespace: str, claimed: str, keys: Callable[..., None], controller: Start
) -> None:
    """Where the newest is 30 days old, one of 4,096 bits is made beside it; both open, also after it is used."""
    keys("a", timedelta(days=31))
    api.create(sealed(claimed))
    controller()
    wait_for(lambda: password(api, claimed) == PLAIN, seconds=30)
    found = [item for item in api.list("v1", "Secret", namespace) if item["type"] == "kubernetes.io/tls"]
    ring = ring_of(found).ring
    assert [pair.private.key_size for pair in ring.pairs] == [4096, 2048]
    assert parse_certificate(certificate_pem("a"), source="a").public_key == ring.pairs[1].certificate.public_key
    raw = Secret("new", claimed, {"password": PLAINTEXT.encode()})
    how = Sealing(ring.newest.certificate, datetime.now(UTC), notes=False)
    api.create(seal_secret(raw, Scope.STRICT, how).document)
    wait_for(lambda: password(api, claimed, "new") == PLAIN)
    assert len(ring_of(api.list("v1", "Secret", namespace)).ring.pairs) == 2


def test_keys_are_backed_up(
    *,
    cluster: Cluster,
    api: Api,
    namespace: str,
    keys: Callable[..., None],
    controller: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From the cluster into an encrypted file; that it was done is noted at the keys, and the controller's metrics tell."""
    monkeypatch.chdir(tmp_path)
    Path("backup.pem").write_bytes(certificate_pem("backup"))
    Path("backup.key").write_bytes(key_pem("backup"))
    keys("a")
    process = controller()
    where = ["--key-namespace", namespace, "--kubeconfig", str(cluster.kubeconfig(ROOT))]
    wait_for(lambda: process.metric("govgate_sealed_keys_not_backed_up") == 1, seconds=60)
    assert process.metric("govgate_sealed_key_backup_age_seconds") == float("inf")
    assert run(["seal", "backup-check", *where]) == 3
    assert run(["seal", "backup", "--cert", "backup.pem", "-w", "backup.yaml", *where]) == 0
    assert run(["seal", "backup-check", *where]) == 0
    wait_for(lambda: process.metric("govgate_sealed_keys_not_backed_up") == 0, seconds=60)
    assert process.metric("govgate_sealed_key_backup_age_seconds") < 3600
    keys("b")
    wait_for(lambda: process.metric("govgate_sealed_keys_not_backed_up") == 1, seconds=60)
    capsys.readouterr()
    assert run(["seal", "backup-check", *where]) == 3
    assert "in no backup: sealed-secrets-key-b" in capsys.readouterr().err
    assert run(["seal", "backup", "--cert", "backup.pem", "-w", "backup.yaml", *where]) == 0
    assert run(["seal", "backup-check", "--file", "backup.yaml", "--key", "backup.key", *where]) == 0
    found = {item["metadata"]["name"]: item["data"] for item in api.list("v1", "Secret", namespace)}
    assert run(["seal", "recover", "backup.yaml", "--key", "backup.key", "-w", "back.yaml"]) == 0
    back = yaml.safe_load_all(Path("back.yaml").read_text())
    assert {one["metadata"]["name"]: one["data"] for one in back} == found


def test_the_certificate_through_the_api_server(
    *,
    cluster: Cluster,
    api: Api,
    namespace: str,
    keys: Callable[..., None],
    controller: Start,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The real proxy of a Service, as kubeseal asks it: its endpoints are at an address of this machine."""
    addresses = [one.address for them in psutil.net_if_addrs().values() for one in them if one.family == AF_INET]
    address = next((one for one in addresses if not one.startswith(("127.", "169.254."))), None)
    if address is None:
        pytest.skip("this machine has no address but loopback, which no Endpoints may have")
    keys()
    process = controller(endpoints={"enabled": True, "host": address, "port": 0})
    wait_for(lambda: process.events("sealing endpoints"), seconds=60)
    port = int(process.events("sealing endpoints")[0]["port"])
    metadata = {"name": "sealing", "namespace": namespace}
    api.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
                "spec": {"ports": [{"name": "http", "port": 8080}]}})  # fmt: skip
    # The API server passes on only what goes to a Pod that has this address.
    containers = [{"name": "c", "image": "registry.example.com/sealing:1"}]
    pod = api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}})
    api.patch(pod, {"status": {"podIP": address, "podIPs": [{"ip": address}]}}, subresource="status")
    target = {"kind": "Pod", "name": "sealing", "namespace": namespace, "uid": pod["metadata"]["uid"]}
    subset = {"addresses": [{"ip": address, "targetRef": target}], "ports": [{"name": "http", "port": port}]}
    api.create({"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]})
    where = ["--controller-name", "sealing", "--controller-namespace", namespace]
    where += ["--kubeconfig", str(cluster.kubeconfig(ROOT))]
    wait_for(lambda: run(["seal", "fetch-cert", *where]) == 0, seconds=60)
    served_pem = capsys.readouterr().out
    done = subprocess.run([tool("kubeseal"), "--fetch-cert", *where], check=True, capture_output=True, timeout=60)
    assert done.stdout.decode().strip() == served_pem.strip()
    assert (
        parse_certificate(done.stdout, source="served").public_key
        == parse_certificate(certificate_pem("a"), source="a").public_key
    )


def test_killed_between_looking_and_writing(
    api: Api, namespace: str, claimed: str, keys: Callable[..., None], controller: Start
) -> None:
    """The next process makes what is missing; of what was made, nothing is written again."""
    keys()
    names = [f"s-{number:02}" for number in range(30)]
    for name in names:
        api.create(sealed(claimed, name))
    process = controller(requestsPerSecond=10, burst=1)  # so that each waits between looking and writing
    wait_for(lambda: len(api.list("v1", "Secret", claimed)) >= 3, seconds=20)
    process.kill()
    before = {item["metadata"]["name"]: item for item in api.list("v1", "Secret", claimed)}
    assert 0 < len(before) < len(names)
    config = process.config_file.read_text()
    process.config_file.write_text(config.replace("requestsPerSecond: 10", "requestsPerSecond: 500"))
    process.start()
    wait_for(lambda: process.metric('govgate_sealed_secrets{state="synced"}') == len(names), seconds=30)
    after = {item["metadata"]["name"]: item for item in api.list("v1", "Secret", claimed)}
    assert sorted(after) == names
    assert {name: after[name] for name in before} == before
    assert all(item["data"] == {"password": PLAIN} for item in after.values())
    assert process.metric('govgate_sealed_reconciles_total{result="updated"}') == 0


async def test_written_by_somebody_between_looking_and_writing(
    cluster: Cluster, api: Api, claimed: str, tmp_path: Path
) -> None:
    """The API server refuses what was decided of an older version; the object comes again, and is right in the end."""
    secret = fresh_key("a")
    api.create(secret | {"metadata": secret["metadata"] | {"namespace": claimed}})
    api.create(sealed(claimed))
    connection = Connection(connect="kubeconfig", kubeconfig=str(cluster.kubeconfig(ROOT)), own_namespace=claimed)
    config = Config(cluster=connection, controller=Controller(sealed=Settings(namespaces=(claimed,))))
    client = await connect(connection)
    assert client is not None
    registry = CollectorRegistry()
    writes: list[str | None] = []

    async def meddle() -> None:
        """Before the first time that the Secret is replaced, somebody else writes it; before it is made, too."""
        found = await asyncio.to_thread(password, api, claimed)
        writes.append(found)
        if writes.count(PLAIN) == 1 and found == PLAIN and rotated:
            changed = {"data": {"password": encoded(b"theirs")}}
            await asyncio.to_thread(api.patch, secret_of(api, claimed), changed)
        if found is None and len(writes) == 1:
            theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": claimed}}
            await asyncio.to_thread(api.create, theirs)

    rotated = False
    loop = SealedLoop(Context(config, client, registry, tmp_path), meddle)
    working = asyncio.create_task(loop.run())
    try:
        await until(lambda: condition(api, claimed).get("status") == "False")  # a foreign Secret: it was there first
        assert "is not managed by" in condition(api, claimed)["message"]
        api.delete({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": claimed}})
        await until(lambda: condition(api, claimed).get("status") == "True")
        writes.clear()
        rotated = True
        api.patch(api.get(*SEALED, claimed, "db"), {"spec": sealed(claimed, password="new")["spec"]})
        await until(lambda: password(api, claimed) == encoded(b"new"))
        await until(lambda: registry.get_sample_value("govgate_sealed_secrets", {"state": "synced"}) == 1)
        failed = registry.get_sample_value("govgate_sealed_reconciles_total", {"result": "failed"})
        assert failed is not None
        assert failed >= 2
        assert encoded(b"theirs") in writes
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await client.close()


async def until(condition: Callable[[], bool]) -> None:
    """Poll, in a thread: the loop goes on meanwhile."""
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - a cluster announces nothing here
            await asyncio.sleep(0.05)


def test_a_history_that_is_gone_is_read_anew(
    cluster: Cluster, api: Api, claimed: str, keys: Callable[..., None], controller: Start
) -> None:
    """What was made, changed and deleted while the controller could not see it, and the API server forgot (410)."""
    keys()
    for name in ("stays", "changes", "goes", "lost"):
        api.create(sealed(claimed, name))
    process = controller(election={"enabled": False})
    wait_for(lambda: process.metric('govgate_sealed_secrets{state="synced"}') == 4, seconds=60)
    with process.paused():
        # It has heard of all until now: what comes next it must not hear of before it asks again.
        later = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later", "namespace": claimed}}
        api.create(later)
        cluster.kill_apiserver()
        cluster.compact()
        cluster.start_apiserver()
        api.create(sealed(claimed, "new"))
        api.patch(api.get(*SEALED, claimed, "changes"), {"spec": sealed(claimed, "changes", password="new")["spec"]})
        api.delete(api.get(*SEALED, claimed, "goes"))
        api.delete({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "lost", "namespace": claimed}})
    wait_for(lambda: password(api, claimed, "new") == PLAIN, seconds=60)
    wait_for(lambda: password(api, claimed, "changes") == encoded(b"new"), seconds=60)
    wait_for(lambda: password(api, claimed, "lost") == PLAIN, seconds=60)
    wait_for(lambda: process.metric('govgate_sealed_secrets{state="synced"}') == 4, seconds=60)
    assert process.metric('govgate_sealed_reconciles_total{result="unchanged"}') >= 1
    told = process.events("cache has a problem")
    expired = {event["resource"] for event in told if "410" in event["problem"]}
    assert expired == {"secrets", "sealedsecrets.bitnami.com"}, told


def test_another_controller_on_the_same_object(
    api: Api, namespace: str, claimed: str, keys: Callable[..., None], controller: Start
) -> None:
    """Is noticed by the mark that it does not keep, and named by its field manager; the Secret is healed all the same."""
    keys()
    api.create(sealed(claimed))
    process = controller()
    wait_for(lambda: condition(api, claimed).get("status") == "True", seconds=20)
    found = secret_of(api, claimed)
    assert found is not None
    del found["metadata"]["annotations"]
    api.replace(found | {"data": {"password": encoded(b"theirs")}}, manager="rival")
    wait_for(lambda: MARK in json.dumps(secret_of(api, claimed)))
    assert password(api, claimed) == PLAIN
    assert process.metric("govgate_sealed_overwritten_total") == 1
    assert "last changed by rival" in process.get("/readyz?verbose")[1]
    assert process.events("somebody else wrote the Secret of a claimed SealedSecret")[0]["writer"] == "rival"


def test_handed_over_by_bitnamis_controller(
    cluster: Cluster, api: Api, claimed: str, controller: Start, tmp_path: Path
) -> None:
    """With its keys where they are, what it made stays as it is, but for the mark. While it still runs, a change is right in
    the end, whoever was first, and that there are two is told.
    """
    if not apart():
        pytest.skip("no user namespaces here: the controller cannot be given its token")
    secret = fresh_key("a")
    api.create(secret | {"metadata": secret["metadata"] | {"namespace": claimed}})
    theirs = Bitnami(cluster, claimed, tmp_path)
    theirs.server.start()
    try:
        api.create(sealed(claimed))
        wait_for(lambda: condition(api, claimed).get("status") == "True", seconds=20)
        before = secret_of(api, claimed)
        process = controller(keyNamespace=claimed, renewDays=0)
        wait_for(lambda: process.metric('govgate_sealed_secrets{state="synced"}') == 1, seconds=20)
        wait_for(lambda: MARK in json.dumps(secret_of(api, claimed)))
        assert without_mark(secret_of(api, claimed)) == without_mark(before)
        assert process.metric("govgate_sealed_overwritten_total") == 0
        api.patch(api.get(*SEALED, claimed, "db"), {"spec": sealed(claimed, password="new")["spec"]})
        wait_for(lambda: process.metric("govgate_sealed_overwritten_total") == 1)
        wait_for(lambda: MARK in json.dumps(secret_of(api, claimed)))
        assert password(api, claimed) == encoded(b"new")
        assert f"{claimed}/db" in process.get("/readyz?verbose")[1]
        assert len([item for item in api.list("v1", "Secret", claimed) if item["type"] == "kubernetes.io/tls"]) == 1
    finally:
        theirs.server.kill()


def without_mark(secret: Json | None) -> Json:
    """What is said of a Secret, but for the mark and what the server counts."""
    assert secret is not None
    metadata = {key: secret["metadata"].get(key) for key in ("uid", "name", "labels", "ownerReferences")}
    annotations = {key: item for key, item in secret["metadata"].get("annotations", {}).items() if key != MARK}
    return {"metadata": metadata | {"annotations": annotations}, "data": secret["data"], "type": secret["type"]}
