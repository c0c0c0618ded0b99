"""What METADATA states of a rule, and how settings change it."""

from __future__ import annotations

import pytest

from gateway.config.policy import RuleSetting
from gateway.core.errors import ConfigError
from gateway.core.finding import Action, Resource, Severity
from policies.builtin import finding, kind_matches, rule_of
from policies.engine import Module, RulesError
from policies.metadata import package_of, rule_info
from policies.rule import Rule
from policies.settings import Settings

RULE = """# A comment before it.
# METADATA
# scope: package
# title: No example
# description: |
#   Over two
#   lines.
# related_resources:
# - ref: https://example.com/why
# custom:
#   id: example/none
#   severity: high
#   action: deny
#   sets: [examples]
#   kinds: [Pod, apps/*]
#   parameters:
#     type: object
#     properties:
#       most: {type: integer, default: 3}
#       names: {type: array}
package govgate.rules.example.none

import rego.v1

# METADATA
# title: The one rule
findings contains {"message": "x"} if input.parameters.most
"""


def rule(text: str = RULE) -> Rule:
    found = rule_of(Module("example/rule.rego", text))
    assert found is not None
    return found


def test_a_rule_is_what_its_metadata_states() -> None:
    """All of it, with the defaults for what it leaves out."""
    info = rule().info
    assert (info.id, info.title, info.description) == ("example/none", "No example", "Over two lines.")
    assert (info.severity, info.action, info.sets) == (Severity.HIGH, Action.DENY, ("examples",))
    assert (info.kinds, info.operations, info.context) == (("Pod", "apps/*"), ("CREATE", "UPDATE"), ())
    assert (info.links, info.source) == (("https://example.com/why",), "example/rule.rego")
    parameters = 'data.govgate.parameters["example/none"]'
    assert rule().query == f"data.govgate.rules.example.none.findings with input.parameters as {parameters}"
    assert package_of(Module("x", RULE)) == "govgate.rules.example.none"


def test_a_module_without_an_id_states_no_rule() -> None:
    """A library has METADATA too, and other people's rules have none."""
    assert rule_info(Module("x", RULE.replace("#   id: example/none\n", ""))) is None
    assert rule_info(Module("x", "package main\n\ndeny contains 1\n")) is None


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("severity: high", "severity: grave", "grave"),
        ("action: deny", "action: block", "block"),
        ("#   action: deny\n", "", "action"),
        ("example/none", "Example", "category/name"),
        ("sets: [examples]", "set: [examples]", "set"),
        ("sets: [examples]", "context: [weather]", "weather"),
        ("title: No example", "titel: No example", "title"),
        ("sets: [examples]", "sets: [", "METADATA"),
        ("severity: high", "id: example/two", "duplicate"),
    ],
)
def test_wrong_metadata_is_refused_with_its_line(old: str, new: str, problem: str) -> None:
    """Nothing of a rule is guessed."""
    with pytest.raises(RulesError, match=problem) as caught:
        rule_info(Module("example/rule.rego", RULE.replace(old, new, 1)))
    assert str(caught.value).startswith("example/rule.rego:2:1: ")


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("*", True),
        ("apps/Deployment", True),
        ("apps/*", True),
        ("Deployment", False),
        ("apps/Pod", False),
        ("batch/*", False),
    ],
)
def test_kinds(pattern: str, *, matches: bool) -> None:
    """A kind is named with its group; the core group has none."""
    assert kind_matches(pattern, "apps", "Deployment") is matches


ABOUT = Resource("v1", "Pod", "web", "p")


def test_the_last_setting_holds_where_it_applies() -> None:
    """Settings are read in order, and one for some namespaces holds there alone."""
    settings = Settings(
        [
            RuleSetting(("example/*",), action="warn"),
            RuleSetting(("example/none",), action="off", namespaces=("dev-*",)),
            RuleSetting(("*",), parameters={"names": ["a"]}),
        ],
        [rule()],
    )
    found = finding(rule().info, ABOUT, "spec", "m")
    assert settings.apply(found, "web").action is Action.WARN
    assert settings.off("example/none", "dev-1")
    assert not settings.off("example/none", "web")
    assert settings.parameters(rule().info) == {"most": 3, "names": ["a"]}
    assert Settings([], [rule()]).apply(found, "web") == found


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        (RuleSetting(("example/non",)), "did you mean example/none"),
        (RuleSetting(("example/none",), parameters={"least": 1}), "no parameter least"),
        (RuleSetting(("example/none",), parameters={"most": 1}, namespaces=("a",)), "hold everywhere"),
    ],
)
def test_a_setting_that_sets_nothing_is_refused(setting: RuleSetting, problem: str) -> None:
    """A misspelt rule or parameter would silently leave the default in force."""
    with pytest.raises(ConfigError, match=problem):
        Settings([setting], [rule()])
