"""The Pod Security Standards' rules against the API server's own PodSecurity admission, at its latest version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.api import STRATEGIC, Api, ApiError
from support.cluster import Cluster
from support.library import denied, judge, of_set, request
from support.pod_fields import (
    HARDENED,
    Change,
    changed,
    changes,
    combinations,
    described,
    harmless,
    windows,
    windows_changes,
)
from support.users import ROOT

Json = dict[str, Any]
LEVELS = ("baseline", "restricted")
SEED = 20240817
WORKLOADS = (
    "CronJob", "DaemonSet", "Deployment", "Job", "PodTemplate", "ReplicaSet", "ReplicationController", "StatefulSet",
)  # fmt: skip
EPHEMERAL: Json = {"name": "debug", "image": "registry.example/debug:1", "securityContext": HARDENED}
EPHEMERAL_CHANGES: list[Change] = [
    ((), None),
    (("securityContext",), {}),
    (("securityContext",), {**HARDENED, "privileged": True, "allowPrivilegeEscalation": True}),
    (("securityContext", "capabilities"), {"drop": ["ALL"], "add": ["SYS_PTRACE"]}),
    (("securityContext", "runAsNonRoot"), False),
    (("securityContext", "runAsUser"), 0),
    (("securityContext", "seccompProfile"), {"type": "Unconfined"}),
    (("securityContext", "appArmorProfile"), {"type": "Unconfined"}),
    (("securityContext", "seLinuxOptions"), {"type": "spc_t"}),
    (("securityContext", "procMount"), "Default"),
]


def workload(kind: str, pod: Json) -> Json:
    """A workload of this kind that makes these Pods."""
    template = {"metadata": {k: v for k, v in pod["metadata"].items() if k != "name"}, "spec": dict(pod["spec"])}
    item: Json = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": {"template": template}}
    if kind in ("Job", "CronJob"):
        item["apiVersion"] = "batch/v1"
        template["spec"]["restartPolicy"] = "Never"
    elif kind == "ReplicationController":
        item["apiVersion"] = "v1"
    elif kind == "PodTemplate":
        item = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "web"}, "template": template}
    else:
        item["spec"]["selector"] = {"matchLabels": {"app": "web"}}
    if kind == "CronJob":
        item["spec"] = {"schedule": "0 * * * *", "jobTemplate": {"spec": item["spec"]}}
    return item


class Standards:
    """The API server, with a namespace for each level that refuses, and one that lets everything in and warns."""

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self.api: Api = cluster.api(ROOT)
        uses = ("privileged", "changing", *LEVELS, *(f"warned-{level}" for level in LEVELS))
        self.namespaces = {use: f"{prefix}-{use}" for use in uses}

    def labels(self, use: str) -> dict[str, str]:
        """The labels of the namespace for this use."""
        key = "pod-security.kubernetes.io"
        enforced = use if use in LEVELS else "privileged"
        warned = use.removeprefix("warned-") if use.startswith("warned-") else "privileged"
        return {
            f"{key}/enforce": enforced, f"{key}/enforce-version": "latest",
            f"{key}/warn": warned, f"{key}/warn-version": "latest",
        }  # fmt: skip

    def try_create(self, item: Json, use: str) -> Json:
        """The object as the API server would store it in the namespace for this use.

        Raises:
            ApiError: it refuses.
        """
        path = self.api.path(item["apiVersion"], item["kind"], self.namespaces[use])
        return self.api.call("POST", f"{path}?dryRun=All", item)

    def allows(self, item: Json, level: str) -> bool:
        """Whether the level allows the Pod."""
        try:
            self.try_create(item, level)
        except ApiError as error:
            if error.code != 403 or "violates PodSecurity" not in error.message:
                raise
            return False
        return True

    def completed(self, item: Json) -> Json | None:
        """The Pod with the API server's defaults; None if it is not valid."""
        try:
            return self.try_create(item, "privileged")
        except ApiError as error:
            if error.code != 422:
                raise
            return None


@pytest.fixture(scope="module")
def standards(cluster: Cluster) -> Iterator[Standards]:
    found = Standards(cluster, "standards")
    items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": found.labels(level)}}
        for level, name in found.namespaces.items()
    ]
    for item in items:
        found.api.create(item)
    yield found
    for item in items:
        found.api.delete(item)


def compare(standards: Standards, pods: list[tuple[str, Json]]) -> tuple[int, list[str]]:
    """How many of the Pods are valid, and where the API server and the rules differ about those."""
    valid = [(note, pod, done) for note, pod in pods if (done := standards.completed(pod)) is not None]
    before = judge(request(pod) for _, pod, _ in valid)
    after = judge(request(done) for _, _, done in valid)
    differences = []
    for (note, pod, _), plain, defaulted in zip(valid, before, after, strict=True):
        pss = {rule: found for rule, found in plain.items() if rule.startswith("pod-security/")}
        same = {rule: found for rule, found in defaulted.items() if rule.startswith("pod-security/")}
        if pss != same:
            differences.append(f"{note}: findings {pss} before defaulting, {same} after")
        for level in LEVELS:
            allowed = standards.allows(pod, level)
            ours = not denied(pss, of_set(f"pod-security-{level}"))
            if allowed != ours:
                differences.append(f"{note}: {level}: API server {allowed}, rules {ours}: {pss}")
    return len(valid), differences


def test_each_field_of_a_pod(standards: Standards) -> None:
    """Each value of each field has the verdict that the API server gives it, at both levels, defaulted or not."""
    pods = [(described(change), changed(harmless(), change)) for change in [((), None), *changes()]]
    valid, differences = compare(standards, pods)
    assert differences == []
    assert valid == len(pods)


def test_windows_pods(standards: Standards) -> None:
    """Pods for Windows have the verdicts that the API server gives them."""
    pods = [(described(change), changed(windows(), change)) for change in windows_changes()]
    valid, differences = compare(standards, pods)
    assert differences == []
    assert valid == len(pods)


def test_fields_together(standards: Standards) -> None:
    """Combinations of changes have the verdict that the API server gives them."""
    pods = [(described(*made), changed(harmless(), *made)) for made in combinations(SEED, 120)]
    valid, differences = compare(standards, pods)
    assert differences == []
    assert valid >= 0.6 * len(pods)


@pytest.mark.parametrize("kind", WORKLOADS)
def test_templates_of_workloads(standards: Standards, kind: str) -> None:
    """A workload is judged as its Pods: the API server warns about exactly those that the rules deny."""
    mine = changes()[WORKLOADS.index(kind) :: len(WORKLOADS)]
    items = [(described(change), workload(kind, changed(harmless(), change))) for change in mine]
    differences = []
    for (note, item), found in zip(items, judge(request(item) for _, item in items), strict=True):
        for level in LEVELS:
            standards.try_create(item, f"warned-{level}")
            warned = any("would violate PodSecurity" in warning for warning in standards.api.warnings)
            if warned != denied(found, of_set(f"pod-security-{level}")):
                differences.append(f"{note}: {level}: API server warned {warned}, rules {found}")
    assert differences == []


def test_ephemeral_containers(standards: Standards) -> None:
    """An ephemeral container that is added to a Pod has the verdict that the API server gives it."""
    fields = [changed(EPHEMERAL, change) for change in EPHEMERAL_CHANGES]
    for level in LEVELS:
        path = standards.api.path("v1", "Pod", standards.namespaces[level])
        old = standards.api.call("POST", path, changed(harmless(), (("metadata", "name"), "debugged")))
        requests, answers = [], []
        for container in fields:
            patch = {"spec": {"ephemeralContainers": [container]}}
            new = {**old, "spec": {**old["spec"], "ephemeralContainers": [container]}}
            requests.append(request(new, old=old))
            answers.append(_patched(standards.api, f"{path}/debugged/ephemeralcontainers?dryRun=All", patch))
        ours = [not denied(found, of_set(f"pod-security-{level}")) for found in judge(requests)]
        assert ours == answers, level
        assert True in answers
        assert False in answers


def test_an_insignificant_update_of_a_pod_passes(standards: Standards) -> None:
    """Where the API server does not judge an update of a Pod that is not allowed, the rules do not either."""
    bad = changed(harmless(), (("spec", "hostPID"), True), (("metadata", "name"), "old"))
    api, space = standards.api, standards.namespaces["changing"]
    old = api.call("POST", api.path("v1", "Pod", space), bad)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
    api.patch(namespace, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}})
    place = f"{api.path('v1', 'Pod', space, 'old')}?dryRun=All"
    labelled = changed(old, (("metadata", "labels", "new"), "label"))
    other = changed(old, (("spec", "containers", "0", "image"), "registry.example/other:1"))
    answers = [_allowed(api, "PUT", place, item) for item in (labelled, other)]
    ours = [not found for found in judge(request(item, old=old) for item in (labelled, other))]
    assert answers == [True, False]
    assert ours == answers


def _patched(api: Api, path: str, patch: Json) -> bool:
    return _allowed(api, "PATCH", path, patch, content_type=STRATEGIC)


def _allowed(api: Api, method: str, path: str, body: Json, **options: str) -> bool:
    try:
        api.call(method, path, body, **options)
    except ApiError as error:
        if "violates PodSecurity" not in error.message:
            raise
        return False
    return True
