"""A simulator of the API server's lists: pages, continue tokens, and tokens that expire."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from gateway.core.subject import Subject
from gateway.kube import ApiError
from policies.ruleset import Outcome, Undecided

Json = dict[str, Any]


def object_(kind: str, namespace: str, name: str, **more: Any) -> Json:
    """An object as a list holds it: without its type, with managed fields."""
    metadata = {
        "name": name,
        "managedFields": [{"manager": "someone"}],
        **({"namespace": namespace} if namespace else {}),
    }
    return {"metadata": metadata, "kind_": kind, **more}


class Lists:
    """Serves ``/api/v1`` with ConfigMaps and Namespaces alone. ``before(path, query)`` may raise what a server answers."""

    def __init__(self, objects: Sequence[Json], before: Callable[[str, Mapping[str, str]], None] | None = None) -> None:
        self.objects = list(objects)
        self.before = before or (lambda _path, _query: None)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.largest = 0

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """As :meth:`gateway.kube.KubeClient.read`."""
        self.asked.append((path, dict(query or {})))
        self.before(path, query or {})
        return json.dumps(self._answer(path, query or {})).encode()

    def _answer(self, path: str, query: Mapping[str, str]) -> Json:
        if path == "/version":
            return {"major": "1"}
        if path == "/apis":
            return {"groups": []}
        if path == "/api/v1":
            verbs = ["list", "get"]
            return {
                "resources": [
                    {"name": "configmaps", "kind": "ConfigMap", "namespaced": True, "verbs": verbs},
                    {"name": "configmaps/status", "kind": "ConfigMap", "namespaced": True, "verbs": verbs},
                    {"name": "namespaces", "kind": "Namespace", "namespaced": False, "verbs": verbs},
                    {"name": "bindings", "kind": "Binding", "namespaced": True, "verbs": ["create"]},
                ]
            }
        kind = {"configmaps": "ConfigMap", "namespaces": "Namespace"}[path.rpartition("/")[2]]
        found = sorted((one for one in self.objects if one["kind_"] == kind), key=lambda one: _key(one["metadata"]))
        start = query.get("continue", "").rstrip()  # an offered token differs by a space
        rest = [one for one in found if _key(one["metadata"]) >= start]
        page, left = rest[: int(query["limit"])], rest[int(query["limit"]) :]
        self.largest = max(self.largest, len(page))
        return {
            "metadata": {"resourceVersion": "1", "continue": _key(left[0]["metadata"]) if left else ""},
            "items": page,
        }


def _key(metadata: Json) -> str:
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def expired(continue_: str = "") -> ApiError:
    """410, with a place to go on at or without."""
    return ApiError(410, "Expired", "the list expired", continue_=continue_)


class Judges:
    """Rules of a test: one denies what has ``bad``, one cannot be decided about what has ``odd``, one always passes."""

    def __init__(self, kinds: Sequence[str] = ("ConfigMap", "Namespace")) -> None:
        self.digest = "sha256:1"
        self.kinds = kinds
        self.judged: list[str] = []
        self.documents: list[Json] = []
        self.before: Callable[[], None] = lambda: None

    def about(self, subject: Subject) -> bool:
        return subject.kind.kind in self.kinds

    def exempt(self, subject: Subject) -> bool:
        return subject.governing_namespace == "exempt"

    async def judge(self, subjects: Sequence[Subject]) -> list[Outcome]:
        self.before()
        self.judged += [f"{one.kind.kind} {one.object_namespace}/{one.name}" for one in subjects]
        self.documents += [one.object for one in subjects]
        return [self._outcome(one) for one in subjects]

    def _outcome(self, subject: Subject) -> Outcome:
        about = Resource(subject.kind.api_version, subject.kind.kind, subject.object_namespace, subject.name)
        found = [finding(about, "test/bad")] if subject.object.get("bad") else []
        odd = (Undecided("test/odd", "not known here: user", unknown=True),) if subject.object.get("odd") else ()
        return Outcome(tuple(found), odd, judged=3)


def finding(
    about: Resource, rule: str, *, action: Action = Action.DENY, exception: str | None = None, field: str = ""
) -> Finding:
    """A finding of a test."""
    key = finding_id(rule, about, field)
    return Finding(key, rule, Severity.HIGH, action, "policy", about, field, "it is bad", "", exception=exception)
