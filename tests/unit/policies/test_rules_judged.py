"""Rules of every kind, loaded together into OPA in process, and asked about requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.config.policy import Policy, RuleSetting
from gateway.core.finding import Action
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from policies.embedded import EmbeddedOpa
from policies.engine import RulesError
from policies.loading import load_rules
from policies.rule import INVENTORY, USER, Asked
from policies.ruleset import Outcome, RuleSet

pytestmark = pytest.mark.native

HEAD = """# METADATA
# scope: package
# title: T
# custom:
#   id: {id}
#   severity: low
#   action: deny
package {package}

import rego.v1

"""


def own_rule(folder: Path, name: str, body: str) -> None:
    head = HEAD.format(id=f"example/{name}", package=f"example.{name}")
    (folder / f"{name}.rego").write_text(head + body)


def asked(*, operation: str = "CREATE", known: frozenset[str] = frozenset(), **fields: Any) -> Asked:
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "web"}, **fields}
    raw = json.dumps(item).encode()
    request = {"operation": operation, "object": None if operation == "DELETE" else item, "oldObject": item}
    subject = Subject(
        uid="u", operation=operation, kind=GroupVersionKind("", "v1", "ConfigMap"),
        resource=GroupVersionResource("", "v1", "configmaps"), user=UserInfo("ann"), namespace="web", name="c",
        raw_object=b"" if operation == "DELETE" else raw, raw_old_object=raw,
        raw_request=json.dumps(request).encode(),
    )  # fmt: skip
    return Asked(subject, None, known)


async def judged(rules: RuleSet, *many: Asked) -> list[Outcome]:
    """Each by itself and all together: the same."""
    one_by_one = [await rules.judge(each, timeout_seconds=5) for each in many]
    assert await rules.judge_all(list(many), timeout_seconds=5) == one_by_one
    return one_by_one


async def loaded(folder: Path, *settings: RuleSetting) -> RuleSet:
    return await load_rules(Policy(sources=(str(folder),), rules=settings), EmbeddedOpa())


async def test_rules_of_every_kind_are_judged_together(tmp_path: Path) -> None:
    """Our own with the field they are about, Conftest's over the object alone, in both versions of Rego."""
    own_rule(
        tmp_path,
        "bad",
        'findings contains {"message": "bad", "field": "data.x"} if input.review.object.data.x == "bad"',
    )
    (tmp_path / "main.rego").write_text(
        'package main\nimport rego.v1\nwarn_x contains {"msg": input.data.x} if input.data.x\n'
    )
    (tmp_path / "old.rego").write_text('package old\ndeny[msg] { input.data.x == "bad"; msg := "old" }\n')
    rules = await loaded(tmp_path)
    bad, good, empty = await judged(rules, asked(data={"x": "bad"}), asked(data={"x": "good"}), asked())
    found = {(f.rule, f.action, f.field, f.message) for f in bad.findings}
    assert found == {
        ("example/bad", Action.DENY, "data.x", "bad"),
        ("rego/main/warn_x", Action.WARN, "", "bad"),
        ("rego/old/deny", Action.DENY, "", "old"),
    }
    assert [f.rule for f in good.findings] == ["rego/main/warn_x"]
    assert (empty.findings, empty.undecided, empty.judged) == ((), (), 3)
    await rules.close()


async def test_a_rule_that_fails_decides_nothing(tmp_path: Path) -> None:
    """A conflict, a result that is none, no result, a run-away: undecided, and the other rules' findings stay."""
    own_rule(
        tmp_path, "conflict", 'findings := [{"message": "a"} | true] if true\nfindings := 1 if input.review.object.data'
    )
    own_rule(tmp_path, "text", 'findings := ["text"]')
    own_rule(tmp_path, "none", "findings := [] if false")
    own_rule(tmp_path, "fine", 'findings contains {"message": "found"}')
    rules = await loaded(tmp_path)
    (outcome,) = await judged(rules, asked(data={}))
    assert [f.rule for f in outcome.findings] == ["example/fine"]
    assert {u.rule for u in outcome.undecided} == {"example/conflict", "example/text", "example/none"}
    await rules.close()


async def test_an_endless_rule_is_undecided_at_the_deadline(tmp_path: Path) -> None:
    """Whatever Go does."""
    own_rule(
        tmp_path,
        "endless",
        'findings contains {"message": "x"} if {\n\tsome i in numbers.range(1, 100000)\n\tsome j in numbers.range(1, 100000)\n\ti * j == -1\n}',
    )
    rules = await loaded(tmp_path)
    outcome = await rules.judge(asked(), timeout_seconds=0.3)
    assert [(u.rule, u.reason) for u in outcome.undecided] == [("example/endless", "the evaluation took too long")]
    await rules.close()


async def test_what_is_not_known_is_never_a_pass(tmp_path: Path) -> None:
    """A rule that reads who asks, or other objects, is undecided where that is not known."""
    own_rule(tmp_path, "who", 'findings contains {"message": "not you"} if input.review.userInfo.username != "root"')
    own_rule(tmp_path, "others", 'findings contains {"message": "x"} if data.inventory.namespace.web["v1"].Pod')
    rules = await loaded(tmp_path)
    alone, user, both = await judged(
        rules, asked(), asked(known=frozenset((USER,))), asked(known=frozenset((USER, INVENTORY)))
    )
    assert {u.rule for u in alone.undecided} == {"example/who", "example/others"}
    assert {u.rule: u.reason for u in user.undecided} == {"example/others": "not known here: inventory"}
    assert both.undecided == ()
    await rules.put_inventory(["namespace", "web", "v1", "Pod"], {"p": {}})
    (seen,) = await judged(rules, asked(known=frozenset((USER, INVENTORY))))
    assert "example/others" in {f.rule for f in seen.findings}
    await rules.close()


async def test_a_deletion_is_judged_by_the_object_that_goes(tmp_path: Path) -> None:
    """As Gatekeeper does: the old object stands in for the new one."""
    own_rule(tmp_path, "gone", 'findings contains {"message": "gone"} if input.review.object.data.keep')
    text = (
        (tmp_path / "gone.rego").read_text().replace("#   action: deny", "#   action: deny\n#   operations: [DELETE]")
    )
    (tmp_path / "gone.rego").write_text(text)
    rules = await loaded(tmp_path)
    deleted, created = await judged(rules, asked(operation="DELETE", data={"keep": "x"}), asked(data={"keep": "x"}))
    assert [f.message for f in deleted.findings] == ["gone"]
    assert created.judged == 0
    await rules.close()


async def test_settings_hold_in_judging(tmp_path: Path) -> None:
    """Parameters reach the rule; an action, the finding; what is off is not asked."""
    own_rule(tmp_path, "limit", 'findings contains {"message": "x"} if input.parameters.most == 4')
    text = (tmp_path / "limit.rego").read_text()
    schema = "#   parameters: {properties: {most: {type: integer, default: 3}}}"
    (tmp_path / "limit.rego").write_text(text.replace("#   action: deny", f"#   action: deny\n{schema}"))
    rules = await loaded(tmp_path, RuleSetting(("example/limit",), action="warn", parameters={"most": 4}))
    (outcome,) = await judged(rules, asked())
    assert [f.action for f in outcome.findings] == [Action.WARN]
    default, off = await loaded(tmp_path), await loaded(tmp_path, RuleSetting(("*",), action="off"))
    assert [o.findings for o in await judged(default, asked())] == [()]
    assert [o.judged for o in await judged(off, asked())] == [0]
    assert len({rules.digest, default.digest}) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("package a\n\ndeny contains x if {\n", r"a\.rego:4"),
        ("package a\nimport rego.v1\ndeny contains 1 if nothing(1)\n", r"a\.rego:3.*nothing"),
        ("package a\nimport rego.v1\ndeny contains http.send({}).x\n", "reach no host"),
    ],
)
async def test_rules_that_do_not_compile_are_refused_whole(tmp_path: Path, text: str, problem: str) -> None:
    """With file and line."""
    (tmp_path / "a.rego").write_text(text)
    with pytest.raises(RulesError, match=problem):
        await loaded(tmp_path)


async def test_two_rules_of_one_id_are_refused(tmp_path: Path) -> None:
    """Findings would be taken for each other's."""
    own_rule(tmp_path, "one", "findings := []")
    (tmp_path / "two.rego").write_text((tmp_path / "one.rego").read_text().replace("example.one", "example.two"))
    with pytest.raises(RulesError, match="two rules have the id example/one"):
        await loaded(tmp_path)
