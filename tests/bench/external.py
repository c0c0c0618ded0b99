"""ExternalSecrets into Secrets: 1,000 and 5,000 of them, one key of a path each, or five; one real OpenBao, one real API server.

Requests are counted where they arrive: those of the store in OpenBao's audit device, those of the API server in its metrics.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

from support.api import Api
from support.cluster import Cluster, wait_for
from support.controller import ControllerProcess
from support.crds import EXTERNAL_SECRETS
from support.external_site import EXTERNAL, Site
from support.openbao import OpenBao
from support.users import ROOT

from bench.environment import Row

COUNTS = (1_000, 5_000)
KEYS = 5
INTERVAL_SECONDS = 60
POLL_SECONDS = 30
CHANGES = 100
TOKEN = "token-of-the-benchmark"
_CREATORS = 8
_READY_SECONDS = 600


def measure(folder: Path) -> dict[str, Any]:
    """Each size by itself, with a controller of its own."""
    found: dict[str, Any] = {"interval_seconds": INTERVAL_SECONDS}
    audit = folder / "store-audit.log"
    bao = OpenBao(folder, audit=audit)
    (folder / "cluster").mkdir()
    cluster = Cluster(folder / "cluster")
    try:
        bao.start()
        cluster.start()
        cluster.install(EXTERNAL_SECRETS)
        for count in COUNTS:
            for keys in (1, KEYS):
                found[f"{count}x{keys}"] = _one(_Place(folder, cluster, bao, audit), count, keys)
    finally:
        bao.stop()
        cluster.stop()
    return found


def rows(found: dict[str, Any]) -> list[Row]:
    """What to print, beside the goals."""
    printed: list[Row] = []
    for one in found.values():
        if not isinstance(one, dict):
            continue
        largest = one["objects"] == max(COUNTS)
        what = f"{one['objects']:,} ExternalSecrets, {one['keys_each']} key(s) of a path"
        cycle = one["refresh_cycle"]
        printed += [
            (what, f"{one['ready_seconds']} s to Ready", "≤ 60 s" if largest else ""),
            ("  store requests until then", f"{one['store_requests_first']:,}", ""),
            ("  API requests until then", f"{one['api_requests_first']:,}", ""),
            ("  store requests per refresh cycle", f"{cycle['store_requests']:,}", f"≤ {one['paths']:,} paths"),
            ("  API requests per refresh cycle", f"{cycle['api_requests']:,}", ""),
            ("  ready again after a restart", f"{one['restart']['seconds']} s", "seconds"),
            ("    store requests for that", f"{one['restart']['store_requests']:,}", "0"),
            ("  resident memory", f"{one['resident_mib']} MiB", "≤ 200 MiB"),
        ]
        for way, times in one.get("changes", {}).items():
            goal = "≤ 2 s p99" if way == "notified" else ""
            printed.append((f"  kv put to Secret, {way}", f"p50 {times['p50']} s, p99 {times['p99']} s", goal))
    return printed


class _Place(NamedTuple):
    """Where it is measured."""

    folder: Path
    cluster: Cluster
    bao: OpenBao
    audit: Path


def _one(place: _Place, count: int, keys: int) -> dict[str, Any]:
    name = f"bench-{count}-{keys}"
    root = place.cluster.api(ROOT)
    root.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    site = Site(root, name, place.bao)
    site.store()
    with ThreadPoolExecutor(_CREATORS) as pool:
        values = {f"k{index}": "v" * 32 for index in range(keys)}
        list(pool.map(lambda index: place.bao.put(f"{name}/{index}", **values), range(count)))
    wanted = tuple(f"k{index}" for index in range(keys))
    made = [site.external(f"e{i}", keys=wanted, path=str(i), refreshInterval="24h") for i in range(count)]
    found: dict[str, Any] = {"objects": count, "keys_each": keys, "paths": count}
    process = controller(place.folder / name, place.cluster, name)
    process.start()
    try:
        with counted(place) as requests:
            started = time.perf_counter()
            _each(place, made, lambda api, item: api.create(item))
            created = time.perf_counter()
            wait_for(lambda: synced(process) >= count, seconds=_READY_SECONDS)
            finished = time.perf_counter()
        found |= {
            "create_seconds": round(created - started, 2),
            "ready_seconds": round(finished - started, 2),
            "store_requests_first": requests["store"],
            "api_requests_first": requests["api"] - count,
        }
        resident = [resident_mib(process)]
        found["refresh_cycle"] = _cycle(place, process, made)
        resident.append(resident_mib(process))
        process.kill()
        found["restart"] = _restart(place, process, count)
        if keys == 1:
            found["changes"] = {"notified": _changes(site, process, notify=True)}
            resident.append(resident_mib(process))
            process.kill()
            process = controller(place.folder / f"{name}-polled", place.cluster, name, pollSeconds=POLL_SECONDS)
            process.start()
            wait_for(lambda: synced(process) >= count, seconds=_READY_SECONDS)
            found["changes"]["polled"] = _changes(site, process, notify=False) | {"every_seconds": POLL_SECONDS}
        found["resident_mib"] = max(*resident, resident_mib(process))
    finally:
        process.kill()
        root.delete_collection(*EXTERNAL, name)
        root.delete_collection("v1", "Secret", name)
    return found


def controller(folder: Path, cluster: Cluster, namespace: str, **external: Any) -> ControllerProcess:
    """As it is by default, but for a namespace that has all the work, and a place where changes are told of."""
    folder.mkdir()
    token = folder / "token"
    token.write_text(TOKEN)
    intake = {"enabled": True, "host": "127.0.0.1", "port": 0, "tokenFile": str(token)}
    return ControllerProcess(
        folder,
        cluster={"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(ROOT)), "ownNamespace": namespace},
        controller={
            "election": {"enabled": False},
            "scan": {"enabled": False},
            "external": {
                "enabled": True,
                "namespaceConcurrency": 32,
                "storeRequestsPerSecond": 1_000,
                "intake": intake,
                **external,
            },
        },
    )


def _cycle(place: _Place, process: ControllerProcess, made: list[Any]) -> dict[str, Any]:
    """Requests of one refresh interval, once all have it."""
    _set_interval(place, made, f"{INTERVAL_SECONDS}s")
    time.sleep(INTERVAL_SECONDS)  # until each has been through one window of its own
    with counted(place) as requests:
        time.sleep(INTERVAL_SECONDS)
    _set_interval(place, made, "24h")
    wait_for(lambda: quiet(process), seconds=_READY_SECONDS)
    return {"store_requests": requests["store"], "api_requests": requests["api"]}


def _set_interval(place: _Place, made: list[Any], interval: str) -> None:
    change = {"spec": {"refreshInterval": interval}}
    _each(place, made, lambda api, item: api.patch(item, change))


def _each(place: _Place, made: list[Any], act: Callable[[Api, Any], object]) -> None:
    """Several at a time, each by one client: what it asks before its first request is asked once."""

    def work(items: list[Any]) -> None:
        api = place.cluster.api(ROOT)
        for item in items:
            act(api, item)

    with ThreadPoolExecutor(_CREATORS) as pool:
        list(pool.map(work, (made[first::_CREATORS] for first in range(_CREATORS))))


def _restart(place: _Place, process: ControllerProcess, count: int) -> dict[str, Any]:
    """Seconds until a new process knows that all are in sync, its own start included."""
    with counted(place) as requests:
        started = time.perf_counter()
        process.start()
        wait_for(lambda: synced(process) >= count, seconds=_READY_SECONDS)
        seconds = time.perf_counter() - started
    return {"seconds": round(seconds, 2), "store_requests": requests["store"]}


def _changes(site: Site, process: ControllerProcess, *, notify: bool) -> dict[str, Any]:
    """Seconds from ``kv put`` to the Secret. Notified: one after the other; polled: all at once, as each takes its time."""
    taken: list[float] = []
    values = {str(index): f"changed {index} {notify}" for index in range(CHANGES)}
    began: dict[str, float] = {}
    waiting = dict(values)

    def arrived() -> bool:
        for path in list(waiting):
            if site.values(f"e{path}") == {"k0": waiting[path]}:
                taken.append(time.perf_counter() - began[path])
                del waiting[path]
        return not waiting

    for path, value in values.items():
        site.put(path, k0=value)
        began[path] = time.perf_counter()
        if notify:
            tell(process, f"{site.namespace}/{path}")
            while site.values(f"e{path}") != {"k0": value}:
                time.sleep(0.005)
            taken.append(time.perf_counter() - began[path])
    if not notify:
        wait_for(arrived, seconds=_READY_SECONDS)
    taken.sort()
    return {
        "changes": CHANGES,
        "p50": round(taken[len(taken) // 2], 3),
        "p99": round(taken[math.ceil(len(taken) * 0.99) - 1], 3),
    }


def tell(process: ControllerProcess, key: str) -> None:
    """Notify the controller."""
    wait_for(lambda: process.events("changes are taken"), seconds=30)
    port = process.events("changes are taken")[-1]["port"]
    request = Request(
        f"http://127.0.0.1:{port}/v1/changes",
        json.dumps({"changes": [{"key": key}]}).encode(),
        {"Authorization": f"Bearer {TOKEN}"},
    )
    with urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        assert answer.status == 202


def synced(process: ControllerProcess) -> float:
    """How many are in sync, as the controller counts."""
    return process.metric('govgate_external_secrets{state="synced"}')


def quiet(process: ControllerProcess) -> bool:
    """Whether nothing waits, and nothing was read for two seconds."""
    before = process.metric("govgate_external_store_reads_total")
    time.sleep(2)
    return process.metric("govgate_external_store_reads_total") == before


def resident_mib(process: ControllerProcess) -> int:
    """Of the controller, as the kernel counts."""
    assert process._server is not None
    status = Path(f"/proc/{process._server.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) // 1024


@contextmanager
def counted(place: _Place) -> Iterator[dict[str, int]]:
    """Requests that the store and the API server answer meanwhile."""
    found: dict[str, int] = {}
    api, since = api_requests(place.cluster), datetime.now(UTC)
    yield found
    until = datetime.now(UTC)
    found["api"] = api_requests(place.cluster) - api
    found["store"] = store_requests(place.audit, since, until)


def store_requests(audit: Path, since: datetime, until: datetime) -> int:
    """Reads of secrets that OpenBao's audit device has in its log, by its own times: it takes long to read."""
    with audit.open("rb") as lines:
        answers = (json.loads(line) for line in lines if b'"type":"response"' in line)
        return sum(_is_read(one["request"]) and since <= _moment(one["time"]) < until for one in answers)


def _moment(text: str) -> datetime:
    """A time as Go writes it, without the zeros at its end."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}.{fraction:0<6.6}+00:00")


def _is_read(request: dict[str, Any]) -> bool:
    return request["operation"] in ("read", "list") and request["path"].startswith("kv/")


def api_requests(cluster: Cluster) -> int:
    """Requests that the API server has answered to anybody, but for the benchmark's own user agent's."""
    text = cluster.api(ROOT).text("/metrics")
    return int(
        sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith("apiserver_request_total{") and ('verb="WATCH"' not in line)
        )
    )
