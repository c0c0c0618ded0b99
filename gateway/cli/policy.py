"""``govgate policy``: the rules in force, their tests, and the engine by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import App, Parameter

from gateway.cli.output import print_document
from gateway.cli.policy_guards import guard_rules
from gateway.config import load_config
from gateway.config.policy import RuleSetting
from gateway.core.errors import UsageError
from policies.loading import recognise
from policies.registry_bundles import fetch_bundles
from policies.remote.decisions import decision_rules
from policies.rule import RuleInfo, Stated
from policies.settings import Settings
from policies.sources import read_sources

policy_app = App(name="policy", help="The rules: list, show, test, eval, waivers.", help_format="plaintext")
policy_app.command(
    "gateway.cli.policy_waivers:waivers",
    name="waivers",
    help="List waivers: what they accept, which are no longer good.",
)

Output = Annotated[Literal["table", "json", "yaml"], Parameter(name=["--output", "-o"])]
Policies = Annotated[tuple[str, ...], Parameter(name=["--policies"], negative=())]


@policy_app.command(name="list")
def list_rules(*, policies: Policies = (), output: Output = "table", config: Path | None = None) -> None:
    """List the rules in force: id, severity, what they do, what they check. Without --policies, those that govgate has built in too.

    Parameters
    ----------
    policies
        A folder, a bundle (.tar.gz, oci://…) or a built-in set (builtin:NAME; builtin:all has every rule); repeatable.
        Without it, what the configuration names.
    output
        table for people, json or yaml for programs.
    config
        The configuration file; else GOVGATE_CONFIG names it, else the embedded defaults hold.
    """
    rules = _described(policies, config)
    if output != "table":
        print_document({"rules": [_plain(rule) for rule in rules]}, output)
        return
    rows = [("RULE", "SEVERITY", "ACTION", "CHECKS")]
    rows += [(rule.info.id, rule.info.severity.value, rule.action, rule.info.title) for rule in rules]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print(*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3], sep="  ")


@policy_app.command(name="show")
def show_rule(
    rule: str, *, policies: Policies = ("builtin:all",), output: Output = "table", config: Path | None = None
) -> None:
    """Show one rule: what it checks and why, its parameters with the values in force and where they come from.

    Parameters
    ----------
    rule
        The rule's id, such as pod-security/privileged.
    policies
        Where to look for it: a folder, a bundle or a built-in set; repeatable.
    output
        table for people, json or yaml for programs.
    config
        The configuration file; else GOVGATE_CONFIG names it, else the embedded defaults hold.
    """
    described = {found.info.id: found for found in _described(policies, config)}
    if rule not in described:
        raise UsageError(f"there is no rule {rule} in {', '.join(policies)}: govgate policy list names them")
    found = described[rule]
    if output == "table":
        print("\n".join(_page(found)))
    else:
        print_document(_plain(found), output)


class Described(msgspec.Struct, frozen=True, rename="camel"):
    """A rule as it is in force: ``parameters`` by name, each with its value and where that comes from."""

    info: RuleInfo
    action: str
    parameters: dict[str, tuple[Any, str]]


def _described(policies: tuple[str, ...], config: Path | None) -> list[Described]:
    loaded = load_config(config)
    policy = loaded.config.policy
    names = policies or policy.sources
    provenance = loaded.config.provenance
    fetched = asyncio.run(fetch_bundles(names, provenance, signed_inside=bool(policy.bundle_keys)))
    stated = recognise(read_sources(names, policy.bundle_keys, fetched=fetched)).stated
    rules = (*stated, *decision_rules(policy.opa))
    # A setting may concern rules that are in force, but not among those asked for.
    known = {rule.info.id for rule in rules}
    settings = [s for s in policy.rules if any(s.names(name) for name in known)]
    found = [_describe(rule, Settings(settings, rules), settings, loaded.source) for rule in rules]
    if policies in ((), ("builtin:all",)):
        found += [Described(rule.info, rule.action, {}) for rule in guard_rules(loaded.config)]
    return sorted(found, key=lambda described: described.info.id)


def _describe(rule: Stated, settings: Settings, given: list[RuleSetting], source: str) -> Described:
    info = rule.info
    where = dict.fromkeys(info.parameters.get("properties", {}), "default of the rule")
    for setting in given:
        if setting.names(info.id):
            where |= dict.fromkeys(setting.parameters, source)
    values = settings.parameters(info)
    parameters = {name: (values.get(name), origin) for name, origin in where.items()}
    return Described(info, settings.action(info, ""), parameters)


def _plain(rule: Described) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(rule.info)
    values = {name: {"value": value, "from": origin} for name, (value, origin) in rule.parameters.items()}
    schema = shown.pop("parameters", None)
    shown["action"] = rule.action
    if schema:
        shown["parameters"], shown["schema"] = values, schema
    return shown


def _page(rule: Described) -> list[str]:
    info = rule.info
    lines = [f"{info.id}: {info.title}", "", *([info.description, ""] if info.description else [])]
    lines += [f"severity    {info.severity}", f"action      {rule.action}"]
    lines += [f"sets        {', '.join(info.sets)}"] if info.sets else []
    lines += [f"kinds       {', '.join(info.kinds)}", f"operations  {', '.join(info.operations)}"]
    lines += [f"needs       {', '.join(info.context)} (else undecided)"] if info.context else []
    lines += [f"control     {name} {text}" for name, text in info.controls.items()]
    for name, (value, origin) in rule.parameters.items():
        lines += [f"parameter   {name} = {msgspec.json.encode(value).decode()} ({origin})"]
        description = info.parameters["properties"][name].get("description")
        lines += [f"            {description}"] if description else []
    lines += [f"see         {link}" for link in info.links]
    return [*lines, f"source      {info.source}"]
