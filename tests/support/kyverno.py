"""Kyverno's policies and objects in short, and programs of ours that stand in for its command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from policies.kyverno.policy import KyvernoPolicies, read_policies
from policies.rule import Asked

Json = dict[str, Any]


def policies(*texts: str) -> KyvernoPolicies:
    """What YAML documents state; the first text is a.yaml, the second b.yaml."""
    documents = [
        (f"{chr(97 + index)}.yaml", 1, document)
        for index, text in enumerate(texts)
        for document in yaml.safe_load_all(text)
    ]
    return read_policies(documents)


def classic(rules: str, *, name: str = "p", spec: str = "", kind: str = "ClusterPolicy", metadata: str = "") -> str:
    """A ClusterPolicy with these rules (YAML, a list)."""
    return (
        f"apiVersion: kyverno.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\n{_indented(metadata, 2)}"
        f"spec:\n{_indented(spec, 2)}  rules:\n{_indented(rules, 2)}"
    )


def validating(body: str, *, name: str = "v", kind: str = "ValidatingPolicy", metadata: str = "") -> str:
    """A ValidatingPolicy about Pods with this (YAML) in its spec."""
    match = (
        '  matchConstraints:\n    resourceRules:\n    - {apiGroups: [""], apiVersions: [v1],'
        " operations: [CREATE, UPDATE], resources: [pods]}\n"
    )
    head = f"apiVersion: policies.kyverno.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\n{_indented(metadata, 2)}"
    return head + "spec:\n" + ("" if "matchConstraints" in body else match) + _indented(body, 2)


def pod(name: str = "a", namespace: str = "web", **fields: Any) -> Json:
    """A Pod; ``labels`` go into its metadata, all else into its spec."""
    metadata: Json = {"name": name, "namespace": namespace}
    if "labels" in fields:
        metadata["labels"] = fields.pop("labels")
    spec = {"containers": [{"name": "c", "image": "registry.example/app:1"}], **fields}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def asked(item: Json, *, operation: str = "CREATE", user: str = "", labels: Json | None = None) -> Asked:
    """A request about an object; ``user`` and the Namespace's ``labels`` are known if they are given."""
    group, _, version = item["apiVersion"].rpartition("/")
    metadata = item.get("metadata", {})
    namespace = metadata.get("namespace", "")
    raw = json.dumps(item).encode()
    subject = Subject(
        uid="u",
        operation=operation,
        kind=GroupVersionKind(group, version, item["kind"]),
        resource=GroupVersionResource(group, version, item["kind"].lower() + "s"),
        user=UserInfo(user, groups=("people",)) if user else UserInfo(),
        namespace=namespace,
        raw_object=raw,
        raw_old_object=raw if operation == "UPDATE" else b"",
    )
    known = {"user"} if user else set()
    around = None
    if labels is not None:
        around = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
    if labels is not None or not namespace:
        known.add("namespace")
    return Asked(subject, around, frozenset(known))


def program(folder: Path, *lines: str, version: str = "v1.19.1") -> str:
    """A shell script that says its version, and does ``lines`` when it is asked to judge."""
    path = folder / "kyverno"
    told = f'if [ "$1" = version ]; then echo "Version: {version}"; exit 0; fi'
    path.write_text("\n".join(("#!/bin/sh", told, *lines)) + "\n")
    path.chmod(0o755)
    return str(path)


def report(results: Sequence[Json], **more: Any) -> bytes:
    """A report as the command line prints it, on one line."""
    body = {"kind": "ClusterReport", "apiVersion": "openreports.io/v1alpha1", "results": list(results), **more}
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def result(policy: str, uid: str, status: str = "pass", **more: Any) -> Json:
    """One result of a report."""
    return {
        "source": "kyverno",
        "policy": policy,
        "result": status,
        "message": "m",
        "resources": [{"uid": uid}],
        **more,
    }


def _indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in text.strip("\n").splitlines())
