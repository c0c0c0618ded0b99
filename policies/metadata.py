"""The METADATA of a rule's package: OPA's annotations, as far as govgate's own rules state what they are.

Source: https://www.openpolicyagent.org/docs/policy-language#metadata. A block begins with a comment ``# METADATA``, goes on
to the first line that is no comment, and is YAML; with ``scope: package`` it is about the package that follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.config.yaml import read_yaml
from gateway.core.errors import ConfigError
from gateway.core.finding import Action, Severity
from policies.engine import Diagnostic, Module, RulesError
from policies.rule import INVENTORY, NAMESPACE, USER, RuleInfo

_PACKAGE = re.compile(r"^package[ \t]+([\w.]+)[ \t]*(?:#.*)?$", re.MULTILINE)
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*(?:/[a-z0-9]+(?:-[a-z0-9]+)*)+\Z")
_TYPE = re.compile(r"(?:[a-z0-9.-]+/)?v[a-z0-9]+/[A-Z][A-Za-z0-9]*\Z")
_CONTEXTS = frozenset((INVENTORY, NAMESPACE, USER))


class _Link(msgspec.Struct):
    ref: str


class _Custom(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    severity: Severity
    action: Action
    sets: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("*",)
    operations: tuple[str, ...] = ("CREATE", "UPDATE")
    controls: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    context: tuple[str, ...] = ()
    inventory: tuple[str, ...] = ()


class _Metadata(msgspec.Struct):
    title: str
    custom: _Custom
    scope: str = ""
    description: str = ""
    related_resources: tuple[_Link | str, ...] = ()


def package_of(module: Module) -> str:
    """The module's package, such as ``govgate.rules.network.host_port``; empty if it has none that is plainly written."""
    found = _PACKAGE.search(module.text)
    return found[1] if found else ""


def rule_info(module: Module) -> RuleInfo | None:
    """What the module's package annotation states; None if it states no rule of govgate's (no ``custom.id``).

    Raises:
        RulesError: it states one, wrongly.
    """
    for line, text in _blocks(module.text):
        try:
            block = read_yaml(text, source="METADATA")
        except ConfigError as error:
            raise _refusal(module, line, str(error)) from None
        if isinstance(block, dict) and block.get("scope") == "package" and "id" in (block.get("custom") or {}):
            return _checked(module, line, block)
    return None


def _checked(module: Module, line: int, block: dict[str, Any]) -> RuleInfo:
    try:
        found = msgspec.convert(block, _Metadata)
    except msgspec.ValidationError as error:
        raise _refusal(module, line, str(error)) from None
    custom = found.custom
    if not _ID.match(custom.id):
        raise _refusal(module, line, f"custom.id is not category/name in lower case: {custom.id}")
    unknown = sorted(set(custom.context) - _CONTEXTS)
    if unknown:
        raise _refusal(module, line, f"custom.context: {', '.join(unknown)} is none of {', '.join(sorted(_CONTEXTS))}")
    for kind in custom.inventory:
        if not _TYPE.match(kind):
            raise _refusal(module, line, f"custom.inventory: {kind} is no version and kind, such as apps/v1/Deployment")
    links = (link if isinstance(link, str) else link.ref for link in found.related_resources)
    return RuleInfo(
        id=custom.id,
        title=found.title,
        description=" ".join(found.description.split()),
        severity=custom.severity,
        action=custom.action,
        sets=custom.sets,
        kinds=custom.kinds,
        operations=custom.operations,
        controls=custom.controls,
        context=custom.context,
        inventory=custom.inventory,
        parameters=custom.parameters,
        links=tuple(links),
        source=module.path,
    )


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """Each METADATA block with the line it begins in."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.strip() != "# METADATA":
            continue
        end = number + 1
        while end < len(lines) and lines[end].startswith("#"):
            end += 1
        yield number + 1, "\n".join(comment[1:].removeprefix(" ") for comment in lines[number + 1 : end])


def _refusal(module: Module, line: int, text: str) -> RulesError:
    return RulesError([Diagnostic(module.path, line, 1, "metadata", f"METADATA: {text}")])
