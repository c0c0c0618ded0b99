"""Rules in a remote OPA at every front: the findings of ``check``, ``review`` and ``serve`` are those of the engine in process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.gateway import Gateway, eventually
from support.opa import OpaProcess

pytestmark = pytest.mark.servers

OWN = """# METADATA
# scope: package
# title: Team label
# custom:
#   id: example/team
#   severity: low
#   action: deny
#   kinds: [ConfigMap]
#   parameters:
#     type: object
#     properties:
#       label: {type: string, default: team}
package example.team

import data.example.lib

findings contains {"message": message, "field": "metadata.labels"} if {
	not lib.labels[input.parameters.label]
	message := sprintf("the label %s is missing", [input.parameters.label])
}
"""
LIB = 'package example.lib\n\nlabels := object.get(input.review.object.metadata, "labels", {})\n\nshort(text) if count(text) < 3\n'
CONFTEST = (
    'package main\n\nimport data.example.lib\n\nwarn_short contains {"msg": "é is short"} if lib.short(input.data.a)\n'
)
TEMPLATE = {
    "apiVersion": "templates.gatekeeper.sh/v1",
    "kind": "ConstraintTemplate",
    "metadata": {"name": "k8sforbidden"},
    "spec": {
        "crd": {
            "spec": {
                "names": {"kind": "K8sForbidden"},
                "validation": {"openAPIV3Schema": {"properties": {"value": {"type": "string"}}}},
            }
        },
        "targets": [
            {
                "target": "admission.k8s.gatekeeper.sh",
                "code": [
                    {
                        "engine": "Rego",
                        "source": {
                            "version": "v1",
                            "rego": 'package forbidden\n\nviolation contains {"msg": "forbidden"} if input.review.object.data.a == input.parameters.value\n',
                        },
                    }
                ],
            }
        ],
    },
}
CONSTRAINT = {
    "apiVersion": "constraints.gatekeeper.sh/v1beta1",
    "kind": "K8sForbidden",
    "metadata": {"name": "no-x"},
    "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["ConfigMap"]}]}, "parameters": {"value": "x"}},
}

# As a central OPA has them, from a bundle that others look after.
CENTRAL = """package kubernetes.admission

deny contains sprintf("%s is not among %v", [input.review.object.data.a, input.parameters.allowed]) if {
	not input.review.object.data.a in input.parameters.allowed
}

main := {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}

response := {"allowed": false, "status": {"message": "too short"}} if count(input.request.object.data.a) < 2

response := {"allowed": true} if count(input.request.object.data.a) >= 2

allow := input.kind == "ConfigMap"

unsure if input.never
"""
DECISIONS = [
    {"name": "allowed", "path": "kubernetes.admission.deny", "parameters": {"allowed": ["long", "é"]}},
    {"name": "main", "path": "kubernetes/admission/main", "input": "admissionReview", "result": "review", "action": "warn"},
    {"name": "kind", "path": "kubernetes/admission/allow", "input": "object", "result": "allow", "message": "wrong kind"},
    {"name": "unsure", "path": "kubernetes/admission/unsure", "result": "allow", "kinds": ["Secret"]},
]  # fmt: skip


def item(name: str, value: str, *, kind: str = "ConfigMap", **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "web", "labels": labels},
        "data": {"a": value},
    }


ITEMS = [item("bad", "x"), item("good", "long", team="core"), item("other", "long", kind="Secret")]


def review(about: dict[str, Any]) -> bytes:
    request = {
        "uid": about["metadata"]["name"], "operation": "CREATE", "kind": {"group": "", "version": "v1", "kind": about["kind"]},
        "resource": {"group": "", "version": "v1", "resource": "things"}, "name": about["metadata"]["name"],
        "namespace": "web", "userInfo": {"username": "ann"}, "object": about,
    }  # fmt: skip
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Rules of every kind."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "own.rego").write_text(OWN)
    (folder / "lib.rego").write_text(LIB)
    (folder / "main.rego").write_text(CONFTEST)
    (folder / "gatekeeper.yaml").write_text(yaml.safe_dump_all([TEMPLATE, CONSTRAINT]))
    return folder


def configured(folder: Path, **policy: Any) -> Path:
    file = folder / "govgate.yaml"
    file.write_text(yaml.safe_dump({"cluster": {"connect": "none"}, "policy": policy}))
    return file


def run(*command: str, stdin: bytes, python: tuple[str, ...] = ("-m", "gateway")) -> Any:
    done = subprocess.run(
        [sys.executable, *python, *command], input=stdin, capture_output=True, check=False, timeout=100
    )
    assert done.returncode in (0, 3), done.stderr.decode()
    return json.loads(done.stdout)


def checked(config: Path) -> Any:
    stream = "\n---\n".join(map(json.dumps, ITEMS)).encode()
    found = run("check", "-", "-o", "json", "--config", str(config), stdin=stream)
    return {key: found[key] for key in ("findings", "indeterminate", "problems", "rules")}


def by_rule(found: Any) -> set[tuple[str, str, str, str]]:
    return {(f["resource"]["name"], f["rule"], f["action"], f["message"]) for f in found["findings"]}


@pytest.mark.native
def test_check_finds_the_same_by_either_engine(opa: OpaProcess, sources: Path, tmp_path: Path) -> None:
    """Rules of every kind give the same findings, ids and digest included, in process and in the server."""
    policy = {"sources": [str(sources)], "rules": [{"rules": ["example/team"], "parameters": {"label": "team"}}]}
    here = checked(configured(tmp_path, **policy))
    there = checked(configured(tmp_path, **policy, engine="opa", opa={"url": opa.url}))

    assert there == here
    assert by_rule(here) == {
        ("bad", "example/team", "deny", "the label team is missing"),
        ("bad", "rego/main/warn_short", "warn", "é is short"),
        ("bad", "gatekeeper/K8sForbidden/no-x", "deny", "forbidden"),
    }
    assert not here["indeterminate"]


@pytest.fixture(scope="module")
def central(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpaProcess]:
    """An OPA with a bundle of its own, which owns everything: nothing can be handed to it."""
    folder = tmp_path_factory.mktemp("central")
    bundle = folder / "bundle"
    bundle.mkdir()
    (bundle / "admission.rego").write_text(CENTRAL)
    (bundle / ".manifest").write_text('{"roots": [""]}')
    process = OpaProcess(folder, "--bundle", str(bundle))
    try:
        yield process.start()
    finally:
        process.kill()


@pytest.mark.native
@pytest.mark.parametrize("with_rules", [False, True], ids=["alone", "beside other rules"])
def test_decisions_of_a_central_server_are_asked_in_place(
    central: OpaProcess, sources: Path, tmp_path: Path, *, with_rules: bool
) -> None:
    """Each form of input and result is understood; what has no value is undecided; settings change what findings do."""
    policy = {
        "sources": [str(sources)] if with_rules else [],
        "opa": {"url": central.url, "decisions": DECISIONS},
        "rules": [{"rules": ["opa/kind"], "action": "audit"}],
    }
    found = checked(configured(tmp_path, **policy))

    own = {one for one in by_rule(found) if one[1].startswith("opa/")}
    assert own == {
        ("bad", "opa/allowed", "deny", 'x is not among ["long", "é"]'),
        ("bad", "opa/main", "warn", "too short"),
        ("other", "opa/kind", "audit", "wrong kind"),
    }
    assert [(one["rule"], one["reason"]) for one in found["indeterminate"]] == [("opa/unsure", "the rule has no value")]
    assert (len(by_rule(found)) > len(own)) == with_rules


@pytest.mark.native
def test_a_server_that_others_own_takes_no_rules(central: OpaProcess, sources: Path, tmp_path: Path) -> None:
    """Where a bundle owns everything, the server's own reason is told, and nothing is judged."""
    config = configured(tmp_path, sources=[str(sources)], engine="opa", opa={"url": central.url})
    command = [sys.executable, "-m", "gateway", "check", "-", "--config", str(config)]
    done = subprocess.run(command, input=b"{}", capture_output=True, check=False, timeout=100)

    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.decode().startswith("govgate: the OPA server refuses: ")
    assert b"owned by bundle" in done.stderr


# The native library is not there: what loads it is made to look where nothing is.
WITHOUT = """import sys, pathlib, gateway.native.library as library
library.LIBRARY = pathlib.Path("/nowhere/libgovgate.so")
from gateway.cli.app import main
sys.exit(main())
"""


def test_rules_are_judged_without_the_native_library(opa: OpaProcess, sources: Path, tmp_path: Path) -> None:
    """With a remote OPA, our own rules and Conftest's, with their helpers, decide where there is no library at all."""
    (sources / "gatekeeper.yaml").unlink()
    config = configured(tmp_path, sources=["builtin:secrets", str(sources)], engine="opa", opa={"url": opa.url})

    answer = run("review", "-", "-o", "json", "--config", str(config), stdin=review(ITEMS[0]), python=("-c", WITHOUT))

    response = answer["response"]
    assert not response["allowed"]
    assert "the label team is missing" in response["status"]["message"]
    assert any("é is short" in warning for warning in response["warnings"])


@pytest.fixture
def server(sources: Path, tmp_path: Path) -> Iterator[tuple[Gateway, OpaProcess]]:
    """A gateway beside an OPA of its own."""
    (sources / "gatekeeper.yaml").unlink()
    opa = OpaProcess(tmp_path, unix=True).start()
    (tmp_path / "gateway").mkdir()
    settings = {"url": opa.url, "breakerFailures": 2, "breakerSeconds": 0.2}
    policy = {"sources": [str(sources)], "engine": "opa", "opa": settings}
    gateway = Gateway(tmp_path / "gateway", settings={"workers": 2}, policy=policy)
    try:
        yield gateway.start(), opa
    finally:
        gateway.kill()
        opa.kill()


@pytest.mark.native
def test_a_server_says_what_it_cannot_decide_until_opa_is_back(server: tuple[Gateway, OpaProcess]) -> None:
    """Denied while OPA answers; undecided, which is no denial, while it does not, and told at /readyz; then denied again."""
    gateway, opa = server

    def status(about: dict[str, Any]) -> Any:
        response = gateway.ask(review(about)).json()["response"]
        return response["allowed"] or response["status"]["code"]

    assert status(ITEMS[0]) == 403
    assert status(ITEMS[1]) is True
    opa.kill()
    for _ in range(8):
        assert status(ITEMS[1]) == 503
    eventually(lambda: "OPA server cannot be reached" in gateway.health("/readyz?verbose").text)
    eventually(lambda: gateway.metric("govgate_policy_problems") > 0)
    assert gateway.health("/readyz").status == 200

    opa.start()
    eventually(lambda: {status(ITEMS[0]) for _ in range(6)} == {403})
    eventually(lambda: {status(ITEMS[1]) for _ in range(6)} == {True})
    eventually(lambda: gateway.metric("govgate_policy_problems") == 0)
    assert gateway.stop() == 0
