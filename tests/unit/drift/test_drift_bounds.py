"""Nobody can hold up a worker: the work follows the size of the request, however it is laid out.

The limit of seconds is loose on purpose: what grew with the square of the size took minutes here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.reviews import APPS, LABEL_FIELDS, Known, broken, changed, entry, judged, managed_object, subject

from gateway.core.errors import UndecidedError
from webhooks.drift.facts import IgnoreRule, Owner
from webhooks.drift.selectors import simple_pattern

COUNT = 5_000
SECONDS = 5.0
NAMED = [{"name": f"n{i}", "value": "v"} for i in range(COUNT)]
PORTS = [{"port": i, "protocol": "TCP", "v": 1} for i in range(COUNT)]
NAMED_FIELDS = {f'k:{{"name":"n{i}"}}': {".": {}, "f:name": {}, "f:value": {}} for i in range(COUNT)}
PORT_FIELDS = {
    f'k:{{"port":{i},"protocol":"TCP"}}': {".": {}, "f:port": {}, "f:protocol": {}, "f:v": {}} for i in range(COUNT)
}
SET_FIELDS = {f'v:"x{i}"': {} for i in range(COUNT)}
MANAGERS = [entry(f"m{i}", {"f:spec": {"f:l": {f'k:{{"name":"n{i}"}}': {"f:q": {}}}}}) for i in range(2_000)]


@contextmanager
def soon() -> Iterator[None]:
    """What happens inside is done in time."""
    start = time.process_time()
    yield
    assert time.process_time() - start < SECONDS


def applied(spec: Any, fields: dict, *more: dict) -> dict:
    return managed_object(
        {"l": spec}, entry("kustomize-controller", {"f:metadata": LABEL_FIELDS, "f:spec": {"f:l": fields}}), *more
    )


def synced(spec: Any, fields: dict, *more: dict) -> dict:
    """As Argo CD declares, client-side."""
    text = json.dumps({"apiVersion": "apps/v1", "spec": {"l": spec}})
    name = "kubectl.kubernetes.io/last-applied-configuration"
    own = entry(
        "argocd-controller",
        {"f:metadata": {"f:annotations": {f"f:{name}": {}}}, "f:spec": {"f:l": fields}},
        operation="Update",
    )
    marks = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:web/api", name: text}
    return managed_object({"l": spec}, own, *more, labels={}, annotations=marks)


Make = Callable[..., dict]


@pytest.mark.parametrize("make", [applied, synced])
@pytest.mark.parametrize(
    ("elements", "fields", "new", "found"),
    [
        (NAMED, NAMED_FIELDS, [{**item, "value": "w"} for item in NAMED], COUNT),
        (NAMED, NAMED_FIELDS, [*NAMED, {"name": "mine"}], 0),
        (NAMED, NAMED_FIELDS, NAMED[::-1], 1),
        (NAMED, NAMED_FIELDS, NAMED * 2, COUNT),
        (NAMED, NAMED_FIELDS, [], COUNT),
        (PORTS, PORT_FIELDS, [{"port": item["port"], "v": 2} for item in PORTS], 2 * COUNT),
        (PORTS, PORT_FIELDS, [{"port": item["port"], "protocol": "UDP"} for item in PORTS], COUNT),
        ([f"x{i}" for i in range(COUNT)], SET_FIELDS, [f"y{i}" for i in range(COUNT)], COUNT),
    ],
)  # fmt: skip
def test_long_lists(make: Make, elements: list, fields: dict, new: list, found: int) -> None:
    """Thousands of declared elements, all changed, added to, turned round, doubled or gone."""
    old = make(elements, fields)
    asked = subject("UPDATE", old=old, new={**changed(old), "spec": {"l": new}})
    with soon():
        decided = judged(asked)
    # Elements of a set are not told apart by what is shown of them.
    assert len(decided.drifted) == found


@pytest.mark.parametrize("make", [applied, synced])
def test_many_managers(make: Make) -> None:
    """Thousands of managers, each with a part of a long list."""
    old = make(NAMED, NAMED_FIELDS, *MANAGERS)
    asked = subject("UPDATE", old=old, new={**changed(old), "spec": {"l": [{**item, "value": "w"} for item in NAMED]}})
    with soon():
        assert len(judged(asked).drifted) == COUNT


def test_many_empty_maps() -> None:
    """Whether each may be filled is asked of all managers at once."""
    spec = {f"e{i}": {} for i in range(COUNT)}
    fields = {"f:metadata": LABEL_FIELDS, "f:spec": {f"f:e{i}": {} for i in range(COUNT)}}
    old = managed_object(spec, entry("kustomize-controller", fields), *MANAGERS)
    asked = subject("UPDATE", old=old, new={**changed(old), "spec": {f"e{i}": {"a": 1} for i in range(COUNT)}})
    with soon():
        assert len(judged(asked).drifted) == COUNT


def test_a_record_that_is_stripped_with_every_value_changed() -> None:
    """Every lost path is looked up, none is found unchanged."""
    old = applied(NAMED, NAMED_FIELDS)
    new = {**changed(old), "spec": {"l": [{**item, "value": "w"} for item in NAMED]}}
    new["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:l"] = {}
    with soon():
        assert len(judged(subject("UPDATE", old=old, new=new)).drifted) == COUNT + 1


@pytest.mark.parametrize("depth", [90, 300, 900])
def test_deep_objects(depth: int) -> None:
    """Nesting beyond what is walked is undecided, not a crash, and the bulk at the bottom is not compared at each step."""

    def nested(value: Any, name: str) -> Any:
        for _ in range(depth):
            value = {name: value}
        return value

    old = managed_object({}, entry("kustomize-controller", {"f:metadata": LABEL_FIELDS, "f:spec": nested({}, "f:a")}))
    asked = subject("UPDATE", old=old, new=old)
    text = '{"apiVersion":"apps/v1","kind":"Deployment","metadata":%s,"spec":%s}'
    for attribute, last in (("raw_old_object", "x"), ("raw_object", "y")):
        spec = '{"a":' * depth + json.dumps(["x"] * 50_000 + [last]) + "}" * depth
        setattr(asked, attribute, (text % (json.dumps(old["metadata"]), spec)).encode())
    with soon():
        try:
            assert broken(judged(asked))
        except UndecidedError as error:
            assert "nested too deeply" in str(error)  # noqa: PT017 - which of the two ways depends on the depth


def test_rules_of_an_owner() -> None:
    """Whoever may write an Application or Kustomization can cost no more than the budget."""
    old = applied(NAMED, NAMED_FIELDS)
    asked = subject("UPDATE", old=old, new={**changed(old), "spec": {"l": [{**item, "value": "w"} for item in NAMED]}})
    expressions = tuple(f'.spec.l[] | select(.name == "q{i}") | .v' for i in range(500))
    for rule in (
        IgnoreRule(pointers=tuple(f"/spec/q{i}/x" for i in range(100_000))),
        IgnoreRule(expressions=expressions),
        IgnoreRule(managers=("kustomize-controller",)),
        IgnoreRule(pointers=("/spec/other",)),
        IgnoreRule(labels="a," * 500),
    ):
        with soon():
            judged(asked, Known({APPS: Owner(ignore=(rule,) * 3)}))


def test_patterns_of_an_owner() -> None:
    """The worst pattern that is accepted, on the longest name there is, many times."""
    with soon():
        for _ in range(200):
            simple_pattern(".*a.*b").fullmatch("a" * 253)
