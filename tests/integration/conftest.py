"""What the tests against real servers share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from support.cluster import Cluster
from support.planted import PLANTED
from support.said import SAID
from support.users import BOUNDED, GOVGATE, ROOT


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """A socket or file that a test leaves open fails that test, not whichever runs when it is collected."""
    yield
    gc.collect()


@pytest.fixture(scope="session", autouse=True)
def nothing_planted_is_said() -> Iterator[None]:
    """Of all values that tests planted in stores and Secrets, nothing is in any log, metric, event, condition or audit
    record of the run. That the search sees these places is a test of its own (test_leak_scan.py)."""
    yield
    assert SAID.leaks(PLANTED.tails) == {}


@pytest.fixture(scope="module", autouse=True)
def no_rights_are_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a module lets govgate's accounts do ends with it: the tests of another may be about what they may not do."""
    here = [item for item in request.session.items if item.path == request.path]
    if not any("cluster" in getattr(item, "fixturenames", ()) for item in here):
        yield
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    yield
    root, accounts = cluster.api(ROOT), {GOVGATE.name, BOUNDED.name}
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        for binding in root.list("rbac.authorization.k8s.io/v1", kind):
            if any(_name(subject) in accounts for subject in binding.get("subjects") or ()):
                root.delete({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, **binding}, missing_ok=True)


def _name(subject: dict[str, str]) -> str:
    """The user that a subject of a binding is."""
    if subject["kind"] == "ServiceAccount":
        return f"system:serviceaccount:{subject.get('namespace', '')}:{subject['name']}"
    return subject["name"]
