"""What a decision is given, and how its answer is read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.cli.app import run
from gateway.config.opa import Decision, Opa
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from policies.engine import Failed
from policies.remote.decisions import decision_rules
from policies.remote.documents import checked, input_of, without_managed_fields
from policies.rule import Asked, Rule

REVIEW = b'{"review":{"operation":"CREATE","object":{"n":9007199254740993,"f":1.50}}}'


def rule(**settings: Any) -> Rule:
    settings = {"name": "a/b", "path": "p.deny", "title": "The title", **settings}
    [found] = decision_rules(Opa(url="https://o", decisions=(Decision(**settings),)))
    return found


def asked(kind: str = "Pod", *, operation: str = "CREATE", subresource: str = "") -> Asked:
    return Asked(
        Subject(
            uid="u", operation=operation, kind=GroupVersionKind("", "v1", kind), resource=GroupVersionResource("", "v1", "x"),
            user=UserInfo("ann"), namespace="n", name="x", subresource=subresource,
        )
    )  # fmt: skip


def given(**settings: Any) -> Any:
    document = checked(REVIEW)
    assert not isinstance(document, Failed)
    return msgspec.json.encode(input_of(Decision(name="a", path="p", **settings), document)).decode()


def test_inputs() -> None:
    """As Gatekeeper has it, as OPA's webhook has it, or the document alone; numbers are as they were written."""
    inner = '{"operation":"CREATE","object":{"n":9007199254740993,"f":1.50}}'
    assert given() == f'{{"review":{inner}}}'
    assert given(parameters={"x": 1}) == f'{{"review":{inner},"parameters":{{"x":1}}}}'
    expected = f'{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{inner}}}'
    assert given(input="admissionReview") == expected
    assert given(input="object") == REVIEW.decode()


READ = [
    ("messages", [], []),
    ("messages", ["b", "a", "a"], ["a", "b"]),
    ("messages", [{"msg": "é", "details": 1}], ["é"]),
    ("findings", [{"message": "b", "field": "spec.x", "remedy": "do"}, {"message": "a", "field": "spec"}], ["a", "b"]),
    ("allow", True, []),
    ("allow", False, ["The title"]),
    ("review", {"response": {"allowed": True}}, []),
    ("review", {"kind": "AdmissionReview", "response": {"allowed": False, "status": {"message": "no"}}}, ["no"]),
    ("review", {"response": {"allowed": False, "status": {"reason": "Forbidden"}}}, ["Forbidden"]),
    ("review", {"response": {"allowed": False}}, ["The title"]),
]


@pytest.mark.parametrize(("result", "value", "messages"), READ)
def test_results(result: str, value: Any, messages: list[str]) -> None:
    """Each form of a result becomes findings of the rule, in stable order."""
    found = rule(result=result, severity="high", action="warn").read(value, asked())
    assert [one.message for one in found] == messages
    assert {(one.rule, one.severity, one.action) for one in found} <= {("opa/a/b", "high", "warn")}


@pytest.mark.parametrize(
    ("result", "value"),
    [
        ("messages", {"msg": "a"}), ("messages", "a"), ("messages", None), ("messages", [1]), ("messages", False),
        ("findings", ["a"]), ("findings", {}), ("findings", [{"msg": "a"}]),
        ("allow", None), ("allow", "true"), ("allow", 1), ("allow", []),
        ("review", {"allowed": True}), ("review", True), ("review", {"response": {"allowed": "yes"}}),
        ("review", {"response": {"allowed": True, "patchType": "JSONPatch", "patch": "W10="}}),
    ],
)  # fmt: skip
def test_what_is_no_result_is_neither_a_pass_nor_a_finding(result: str, value: Any) -> None:
    """Other values, and a response that would change the object, are refused: the rule is undecided."""
    with pytest.raises(ValueError, match=r"."):
        rule(result=result).read(value, asked())


def test_about_what_it_is_asked() -> None:
    """Kinds and operations as they are configured; of subresources those that hold the whole object, and connections."""
    pods = rule(kinds=("Pod", "apps/*"), operations=("CREATE", "CONNECT"))
    assert pods.applies(asked()).yes
    assert pods.applies(asked(subresource="ephemeralcontainers")).yes
    assert pods.applies(asked(operation="CONNECT", subresource="exec")).yes
    assert not pods.applies(asked(subresource="status")).yes
    assert not pods.applies(asked(operation="DELETE")).yes
    assert not pods.applies(asked("Secret")).yes
    assert rule(needs=("user",)).info.context == ("user",)


def test_managed_fields_are_cut_out_and_the_rest_is_kept() -> None:
    """Only those of the review's objects; what is no object there is left as it is."""
    for text, expected in (
        ('{"review":{"object":{"metadata":{"managedFields":[1],"x":1.50}}}}', '{"review":{"object":{"metadata":{"x":1.50}}}}'),
        ('{"review":{"object":null,"managedFields":1}}', '{"review":{"object":null,"managedFields":1}}'),
        ('{"review":"managedFields"}', '{"review":"managedFields"}'),
        ('["managedFields"]', '["managedFields"]'),
    ):  # fmt: skip
        document = checked(text.encode())
        assert not isinstance(document, Failed)
        assert json.loads(bytes(without_managed_fields(document))) == json.loads(expected)
        assert bytes(without_managed_fields(document)).decode() == expected


def test_decisions_are_listed_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the other rules in force, with what is set for them; nobody is asked for that."""
    config = tmp_path / "govgate.yaml"
    config.write_text(
        "policy:\n  opa:\n    url: https://opa.example\n    decisions: [{name: a, path: p/deny, title: The title}]\n"
        "  rules: [{rules: [opa/a], action: audit}]\n"
    )
    assert run(["policy", "list", "-o", "json", "--config", str(config)]) == 0
    rules = {found["id"]: found for found in json.loads(capsys.readouterr().out)["rules"]}
    assert (rules["opa/a"]["title"], rules["opa/a"]["action"]) == ("The title", "audit")
    assert len(rules) > 1
    assert run(["policy", "show", "opa/a", "--config", str(config)]) == 0
    assert "https://opa.example p/deny" in capsys.readouterr().out


def test_commands_do_not_import_the_client_for_nothing() -> None:
    """It, and what it runs on, takes longer to import than a small check takes to run."""
    code = (
        "import sys, gateway.ci.job, gateway.cli.check; print('opa_client' in sys.modules or 'requests' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"
