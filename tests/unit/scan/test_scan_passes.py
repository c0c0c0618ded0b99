"""A pass over a cluster sees each object once, whatever becomes of its lists, and keeps nothing but what it found."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lists import Judges, Lists, expired, object_

from gateway.config.controller import Scan
from gateway.controllers.scan.results import Results
from gateway.controllers.scan.scan import Pass, RulesChangedError
from gateway.controllers.scan.store import FILE, Generation, Store, StoreError
from gateway.kube import ApiError
from gateway.kube.errors import ResponseTooLargeError, UnreachableError

SMALL = Scan(page_objects=2, concurrency=1)
OBJECTS = [
    *(object_("ConfigMap", namespace, f"c-{n}", bad=n % 2, data={"token": "s3cr3t"}) for namespace in "ab" for n in range(5)),
    object_("ConfigMap", "a", "odd", odd=1),
    object_("ConfigMap", "exempt", "c", bad=1),
    object_("Namespace", "", "a", bad=1),
]  # fmt: skip


class Killed(BaseException):
    """Stands for SIGKILL: nothing is tidied up that would look for errors."""


async def no_pace() -> None:
    """As fast as it goes."""


def scanned(
    store: Store, lists: Lists, judges: Judges, settings: Scan = SMALL, *, now: float = 1000.0, namespace: str = ""
) -> Generation:
    one = Pass(lists, judges, store, settings, pace=no_pace, clock=lambda: now, namespace=namespace)
    return asyncio.run(one.run())


def found(path: Path) -> list[str]:
    with Results(path) as results:
        return [f"{one.resource.kind} {one.resource.namespace}/{one.resource.name}" for one in results.findings()]


BAD = ["Namespace /a", *(f"ConfigMap {namespace}/c-{n}" for namespace in "ab" for n in (1, 3))]


def test_all_objects_in_stable_order(tmp_path: Path) -> None:
    """By namespace, kind and name; what is exempt is not judged; doubts and counts beside the findings."""
    store, judges = Store(tmp_path / FILE), Judges()
    scanned(store, Lists(OBJECTS), judges)
    assert found(tmp_path / FILE) == BAD
    assert sorted(judges.judged) == sorted(set(judges.judged))
    with Results(tmp_path / FILE) as results:
        assert [(one.rule, one.resource.name) for one in results.doubts()] == [("test/odd", "odd")]
        counts = dict(results.namespaces())
        assert {name: (one.judged, one.failed, one.errors, one.passed) for name, one in counts.items()} == {
            "": (1, 1, 0, 2),
            "a": (6, 2, 1, 15),
            "b": (5, 2, 0, 13),
        }
        assert [one.resource.namespace for one in results.findings("b")] == ["b", "b"]


def test_objects_are_judged_as_files_have_them(tmp_path: Path) -> None:
    """Of a list's item the type is stated, and managed fields are not; nothing of its content is stored."""
    store, judges = Store(tmp_path / FILE), Judges()
    scanned(store, Lists(OBJECTS), judges)
    assert all("managedFields" not in one["metadata"] for one in judges.documents)
    assert {one["apiVersion"] for one in judges.documents} == {"v1"}
    store.close()
    assert all(b"s3cr3t" not in path.read_bytes() for path in tmp_path.iterdir())


def test_types_that_no_rule_is_about_are_not_read(tmp_path: Path) -> None:
    """Neither are those that are excluded, nor, in one namespace, those that are in none."""
    lists = Lists(OBJECTS)
    scanned(Store(tmp_path / FILE), lists, Judges(["Namespace"]))
    assert not any("configmaps" in path for path, _ in lists.asked)
    lists = Lists(OBJECTS)
    scanned(Store(tmp_path / FILE), lists, Judges(), Scan(exclude=("ConfigMap",)), now=2000)
    assert not any("configmaps" in path for path, _ in lists.asked)
    lists = Lists(OBJECTS)
    scanned(Store(tmp_path / FILE), lists, Judges(), namespace="a", now=3000)
    assert {path for path, _ in lists.asked[2:]} == {"/api/v1/namespaces/a/configmaps"}


@given(st.lists(st.sampled_from(["offer", "expire", "busy"]), max_size=4), st.lists(st.integers(0, 12), max_size=4))
def test_expired_lists_lose_and_double_nothing(kinds: list[str], places: list[int]) -> None:
    """Whether the server offers to go on, or not, or fails in between: each finding is there once."""
    troubles = dict(zip(places, kinds, strict=False))
    number = 0

    def before(path: str, query: Mapping[str, str]) -> None:
        nonlocal number
        if not path.endswith(("configmaps", "namespaces")):
            return
        number += 1
        kind = troubles.pop(number, "")
        if kind == "busy":
            raise ApiError(429, "TooManyRequests", "", retry_after_seconds=0)
        if kind == "expire" or (kind == "offer" and "continue" not in query):
            raise expired()
        if kind == "offer":
            raise expired(query["continue"].rstrip() + " ")

    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        patch.setattr("gateway.controllers.scan.scan._WAIT_SECONDS", 0.0)
        scanned(Store(folder / FILE), Lists(OBJECTS, before), Judges())
        assert found(folder / FILE) == BAD
        with Results(folder / FILE) as results:
            assert sum(one.judged for _, one in results.namespaces()) == 12


@pytest.mark.parametrize("pages", range(7))
def test_a_killed_scan_goes_on_where_it_was(tmp_path: Path, pages: int) -> None:
    """Killed while any page is judged: the next process judges that page and the rest, and readers saw nothing yet."""
    judges = Judges()

    def kill() -> None:
        nonlocal pages
        pages -= 1
        if pages < 0:
            raise Killed

    judges.before = kill
    store = Store(tmp_path / FILE)
    with pytest.raises((Killed, BaseExceptionGroup)):
        scanned(store, Lists(OBJECTS), judges)
    with pytest.raises(StoreError, match="no scan"):
        Results(tmp_path / FILE)
    judges.before = lambda: None
    before = list(judges.judged)
    lists = Lists(OBJECTS)
    scanned(Store(tmp_path / FILE), lists, judges, now=1001.0)
    assert found(tmp_path / FILE) == BAD
    assert len(judges.judged) == len(set(judges.judged)) == 12
    assert before == judges.judged[: len(before)]
    assert "/apis" not in {path for path, _ in lists.asked}


def test_what_is_too_old_or_of_other_rules_is_not_gone_on_with(tmp_path: Path) -> None:
    """It begins anew: half of the findings would be of another time, or of another mind."""
    for change in ("age", "rules", "exclude"):
        folder = tmp_path / change
        judges = Judges()
        calls = iter(range(2))
        judges.before = lambda calls=calls: next(calls) and (_ for _ in ()).throw(Killed)
        with pytest.raises((Killed, BaseExceptionGroup)):
            scanned(Store(folder / FILE), Lists(OBJECTS), judges)
        again = Judges()
        again.digest = "sha256:2" if change == "rules" else "sha256:1"
        settings = Scan(page_objects=2, exclude=("Secret",)) if change == "exclude" else SMALL
        scanned(Store(folder / FILE), Lists(OBJECTS), again, settings, now=9000.0 if change == "age" else 1001.0)
        assert len(again.judged) == 12
        assert found(folder / FILE) == BAD


def test_rules_that_change_end_the_scan(tmp_path: Path) -> None:
    """What readers see stays the last whole one."""
    store, judges = Store(tmp_path / FILE), Judges()
    first = scanned(store, Lists(OBJECTS), judges)
    changed = Judges()

    def change() -> None:
        changed.digest = "sha256:2"

    changed.before = change
    with pytest.raises(RulesChangedError):
        scanned(store, Lists(OBJECTS), changed, now=2000.0)
    with Results(tmp_path / FILE) as results:
        assert results.generation.id == first.id


def test_a_type_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """Named, with the reason, beside what was found elsewhere; one that is gone is none."""
    for code, problems in ((403, {"configmaps": "403 Forbidden: no"}), (404, {})):
        path = tmp_path / str(code) / FILE

        def before(at: str, _query: Mapping[str, str], code: int = code) -> None:
            if at.endswith("configmaps"):
                raise ApiError(code, "Forbidden", "no")

        scanned(Store(path), Lists(OBJECTS, before), Judges())
        assert found(path) == ["Namespace /a"]
        with Results(path) as results:
            assert results.problems() == problems


def test_an_outage_is_of_no_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scan ends, is not whole, and goes on when the API server is back: nothing is missing then."""
    monkeypatch.setattr("gateway.controllers.scan.scan._WAIT_SECONDS", 0.0)
    store, judges = Store(tmp_path / FILE), Judges()
    left = 5

    def before(_path: str, _query: Mapping[str, str]) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise UnreachableError("no answer")

    with pytest.raises(UnreachableError):
        scanned(store, Lists(OBJECTS, before), judges)
    with pytest.raises(StoreError, match="no scan"):
        Results(tmp_path / FILE)
    scanned(store, Lists(OBJECTS), judges, now=1001.0)
    assert found(tmp_path / FILE) == BAD
    assert len(judges.judged) == len(set(judges.judged)) == 12


def test_readers_see_whole_scans_alone_and_old_ones_go(tmp_path: Path) -> None:
    """A reader keeps what it opened while a newer scan comes, and what is kept is as much as was asked for."""
    store = Store(tmp_path / FILE)
    scanned(store, Lists(OBJECTS), Judges())
    with Results(tmp_path / FILE) as before:
        scanned(store, Lists([object_("Namespace", "", "other", bad=1)]), Judges(), now=2000.0)
        assert sum(1 for _ in before.findings()) == len(BAD)
        assert found(tmp_path / FILE) == ["Namespace /other"]
    db = sqlite3.connect(tmp_path / FILE)
    assert db.execute("SELECT count(*), count(DISTINCT generation) FROM findings").fetchone() == (1, 1)
    assert db.execute("SELECT count(*) FROM generations").fetchone() == (1,)
    db.close()


def test_memory_holds_a_page(tmp_path: Path) -> None:
    """However many objects there are, no more than a page is asked for; fewer where a page would be too large."""
    many = [object_("ConfigMap", "a", f"c-{n:04}") for n in range(500)]
    lists = Lists(many)
    scanned(Store(tmp_path / FILE), lists, Judges(), Scan(page_objects=50))
    assert lists.largest == 50

    def before(path: str, query: Mapping[str, str]) -> None:
        if path.endswith("configmaps") and int(query["limit"]) > 10:
            raise ResponseTooLargeError("too large")

    lists, judges = Lists(many, before), Judges()
    scanned(Store(tmp_path / FILE), lists, judges, Scan(page_objects=50), now=2000.0)
    assert len(judges.judged) == 500
    assert lists.largest <= 10
