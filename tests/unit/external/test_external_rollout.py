"""Whether a workload is restarted: for another content of its Secrets, once, and for nothing else."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.external.rollout import RESTARTED, SEEN, applied, restart_of, secrets_used

KEY = b"k" * 32
DATA = st.dictionaries(st.sampled_from("ab"), st.dictionaries(st.sampled_from("xy"), st.sampled_from("12")), min_size=1)


def workload(**pod: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "w", "namespace": "web", "uid": "u"},
        "spec": {"template": {"spec": pod or {"containers": [{"envFrom": [{"secretRef": {"name": "a"}}]}]}}},
    }


def merged(one: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """As the API server applies it."""
    template = {
        "metadata": {
            "annotations": patch.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations", {})
        }
    }
    return {
        "metadata": one["metadata"] | {"annotations": patch["metadata"]["annotations"]},
        "spec": {"template": one["spec"]["template"] | template},
    }


def test_all_that_its_pods_read() -> None:
    """By environment and by volume; nonsense is nothing."""
    pod = {
        "volumes": [
            {"secret": {"secretName": "a"}},
            {"projected": {"sources": [{"secret": {"name": "b"}}, {"configMap": {"name": "x"}}]}},
            {"configMap": {"name": "x"}},
        ],
        "initContainers": [{"env": [{"name": "n", "valueFrom": {"secretKeyRef": {"name": "c", "key": "k"}}}]}],
        "containers": [{"envFrom": [{"secretRef": {"name": "d"}}, {"configMapRef": {"name": "x"}}]}, None],
    }
    assert secrets_used(workload(**pod)) == {"a", "b", "c", "d"}
    assert secrets_used({"spec": {"template": {"spec": {"containers": "x"}}}}) == frozenset()


@given(st.lists(DATA, min_size=1, max_size=6))
def test_one_restart_for_each_change(contents: list[dict[str, dict[str, str]]]) -> None:
    """Whatever the Secrets hold over time: none at first, then one each time that it is another than before."""
    one, restarts = workload(), 0
    for content in contents:
        for _ in range(2):  # whoever looks twice finds nothing more to do
            what = restart_of(one, content, KEY)
            if what is not None:
                before = one["spec"]["template"].get("metadata", {}).get("annotations", {}).get(RESTARTED)
                one = merged(one, applied(one, "apps/v1", "Deployment", what))
                after = one["spec"]["template"]["metadata"]["annotations"].get(RESTARTED)
                assert (before != after) is what.restart
                restarts += what.restart
    changes = sum(former != latter for former, latter in itertools.pairwise(contents))
    assert restarts == changes


def test_what_is_seen_first_is_only_noted() -> None:
    """The pods run with it already; what was restarted before stays as it is."""
    what = restart_of(workload(), {"a": {"k": "v"}}, KEY)
    assert what is not None
    document = applied(workload(), "apps/v1", "Deployment", what)
    assert (what.restart, list(document["metadata"]["annotations"]), "spec" in document) == (False, [SEEN], False)
    assert restart_of(workload(), {}, KEY) is None


def test_no_value_can_be_read_from_it() -> None:
    """Nor tried out without the key."""
    first, second = (restart_of(workload(), {"a": {"k": "v"}}, key) for key in (KEY, b"x" * 32))
    assert first is not None
    assert second is not None
    assert first.seen != second.seen
