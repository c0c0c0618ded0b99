"""What a real API server answers to a continue token that it cannot use, and what becomes of the scan."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cluster import Cluster
from support.lists import Judges
from support.users import ROOT

from gateway.config.controller import Scan
from gateway.config.model import Cluster as Connection
from gateway.controllers.scan.results import Results
from gateway.controllers.scan.scan import Pass
from gateway.controllers.scan.store import FILE, Store
from gateway.kube import connect

OBJECTS = 9


class KilledError(Exception):
    """Ends a pass in the middle."""


async def no_pace() -> None:
    """As fast as it goes."""


async def interrupted(
    cluster: Cluster, namespace: str, path: Path, meanwhile: Callable[[], None]
) -> tuple[Judges, list[str]]:
    """Scan ConfigMaps two at a time; end after four, and go on when ``meanwhile`` has happened.

    What was judged, in order, and what there is.
    """
    root = cluster.api(ROOT)
    for number in range(OBJECTS):
        metadata = {"name": f"c-{number}", "namespace": namespace}
        root.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}})
    client = await connect(Connection(connect="kubeconfig", kubeconfig=str(cluster.kubeconfig(ROOT))))
    assert client is not None
    judges, calls = Judges(["ConfigMap"]), iter(range(3))

    def end() -> None:
        if next(calls) == 2:
            raise KilledError

    def one() -> Pass:
        settings, store = Scan(page_objects=2), Store(path)
        return Pass(client, judges, store, settings, pace=no_pace, clock=time.time, namespace=namespace)

    judges.before = end
    try:
        with pytest.raises(KilledError):
            await one().run()
        meanwhile()
        judges.before = lambda: None
        again = one()
        await again.run()
    finally:
        await client.close()
    assert again.progress.restarts == 1
    with Results(path) as results:
        assert [(name, counts.judged) for name, counts in results.namespaces()] == [(namespace, OBJECTS)]
        assert results.problems() == {}
    return judges, [f"ConfigMap {namespace}/c-{number}" for number in range(OBJECTS)]


async def test_a_token_of_a_state_that_is_gone(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """The server offers to go on at the same place: nothing is read twice, nothing is left out."""

    def forget() -> None:
        metadata = {"name": "later", "namespace": namespace}
        cluster.api(ROOT).create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
        # A new server holds no state from before its start, and etcd none from before the compaction.
        cluster.kill_apiserver()
        cluster.compact()
        cluster.start_apiserver()

    judges, names = await interrupted(cluster, namespace, tmp_path / FILE, forget)
    assert judges.judged == names


async def test_a_token_that_is_none(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Another version of the server may have written it: the type is read from its start, and nothing is there twice."""

    def spoil() -> None:
        db = sqlite3.connect(tmp_path / FILE)
        db.execute("UPDATE types SET cursor = 'nonsense' WHERE cursor <> ''")
        db.commit()
        db.close()

    judges, names = await interrupted(cluster, namespace, tmp_path / FILE, spoil)
    assert judges.judged == names[:4] + names
