"""What was pushed is known, and taken away, whatever moment a controller ends at, and whatever changes meanwhile."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.api import ApiError
from support.cluster import wait_for
from support.controller import ControllerProcess
from support.external_site import SECONDS, Site
from support.network import Network

Json = dict[str, Any]
Start = Callable[..., ControllerProcess]
PUSH = ("external-secrets.io/v1alpha1", "PushSecret")
pytestmark = pytest.mark.native


class Holding(Network):
    """Passes questions on, and holds what is to be written. ``held``: there was something."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.held = threading.Event()

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            if data.startswith((b"POST ", b"PUT ")):
                self.held.set()
                await self.stop.wait()
                return
            target.write(data)
            await target.drain()
        with contextlib.suppress(OSError):
            target.write_eof()


def entry(site: Site, path: str) -> Json:
    return {"match": {"secretKey": "a", "remoteRef": {"remoteKey": f"{site.namespace}/{path}", "property": "p"}}}


def push(site: Site, path: str) -> Json:
    """A Secret that is pushed to a path, and taken away again with its PushSecret."""
    metadata = {"name": "source", "namespace": site.namespace}
    data = {"a": base64.b64encode(b"one").decode()}
    site.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}, manager="tests")
    spec = {
        "secretStoreRefs": [{"name": site.store_name}], "selector": {"secret": {"name": "source"}},
        "deletionPolicy": "Delete", "data": [entry(site, path)],
    }  # fmt: skip
    made: Json = site.api.create({
        "apiVersion": PUSH[0], "kind": PUSH[1], "metadata": metadata | {"name": "out"}, "spec": spec,
    })  # fmt: skip
    return made


def status(site: Site) -> Json:
    found: Json = site.api.get(*PUSH, site.namespace, "out").get("status") or {}
    return found


def gone(site: Site) -> bool:
    try:
        site.api.get(*PUSH, site.namespace, "out")
    except ApiError as error:
        return error.code == 404
    return False


def stored(site: Site, path: str) -> Json | None:
    return site.bao.data(f"{site.namespace}/{path}")


@contextmanager
def never_ready(site: Site, made: Json) -> Iterator[None]:
    """While this lasts, the API server lets nobody say that a PushSecret is ready."""
    kind, name = "ValidatingAdmissionPolicy", f"{site.namespace}-push"
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    rule = {
        "apiGroups": ["external-secrets.io"], "apiVersions": ["*"], "operations": ["UPDATE"],
        "resources": ["pushsecrets/status"],
    }  # fmt: skip
    said = "!has(object.status.conditions) || object.status.conditions.all(one, one.status != 'True')"
    deny = head | {
        "kind": kind,
        "spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": said}]},
    }
    selector = {"matchLabels": {"kubernetes.io/metadata.name": site.namespace}}
    binding = head | {
        "kind": f"{kind}Binding",
        "spec": {
            "policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": selector},
        },
    }  # fmt: skip

    def refused() -> bool:
        ready = {"type": "Ready", "status": "True"}
        now = site.api.get(*PUSH, site.namespace, made["metadata"]["name"])
        try:
            site.api.replace(now | {"status": {"conditions": [ready]}}, manager="tests", subresource="status")
        except ApiError as error:
            return error.code != 409
        return False

    site.api.create(deny)
    site.api.create(binding)
    try:
        wait_for(refused, seconds=SECONDS)
        yield
    finally:
        site.api.delete(binding)
        site.api.delete(deny)


def test_killed_before_it_stored_what_it_noted(site: Site, controller: Start) -> None:
    """The PushSecret says that it may be there; it is not, which holds nothing up."""
    with Holding(urlsplit(site.bao.url).port or 0) as network:
        site.store(server=f"http://127.0.0.1:{network.port}")
        first = controller()
        made = push(site, "db")
        assert network.held.wait(SECONDS)
        first.kill()
    assert list(status(site)["syncedPushSecrets"][f"SecretStore/{site.store_name}"]) == [f"{site.namespace}/db/p"]
    assert stored(site, "db") is None
    site.api.delete(made)
    site.store()
    controller("second")
    wait_for(lambda: gone(site), seconds=SECONDS)
    assert stored(site, "db") is None


@pytest.mark.parametrize("change", ["changed", "deleted"])
def test_killed_before_it_told_what_it_stored(site: Site, controller: Start, change: str) -> None:
    """The next one takes it away, when the PushSecret says it no more, or is deleted."""
    made = push(site, "db")
    with never_ready(site, made):
        first = controller()
        wait_for(lambda: stored(site, "db") == {"p": "one"}, seconds=SECONDS)
        first.kill()
        if change == "changed":
            site.api.patch(made, {"spec": {"data": [entry(site, "other")]}})
        else:
            site.api.delete(made)
    controller("second")
    if change == "changed":
        wait_for(lambda: stored(site, "other") == {"p": "one"}, seconds=SECONDS)
    else:
        wait_for(lambda: gone(site), seconds=SECONDS)
    wait_for(lambda: stored(site, "db") is None, seconds=SECONDS)


def test_changed_before_it_told_what_it_stored(site: Site, controller: Start) -> None:
    """The same process takes it away: what it could not say is not what it forgets."""
    made = push(site, "db")
    with never_ready(site, made):
        controller()
        wait_for(lambda: stored(site, "db") == {"p": "one"}, seconds=SECONDS)
        site.api.patch(made, {"spec": {"data": [entry(site, "other")]}})
        wait_for(lambda: stored(site, "other") == {"p": "one"}, seconds=SECONDS)
        wait_for(lambda: stored(site, "db") is None, seconds=SECONDS)
