"""Rules as Conftest knows them: ``deny``, ``violation`` and ``warn`` in any package, over any structured file.

The input is the document itself. A rule returns strings, or objects with ``msg``; such an object may name what it is
about: a ``field``, or a ``path`` of names and indices. A package's ``exception`` names rules that are not to count for this input: ``deny_x`` and
``warn_x`` by ``x``, ``deny`` by the empty name. Source: https://www.conftest.dev.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import msgspec

from gateway.core.finding import Action, Finding, Severity
from policies.builtin import finding, resource_of
from policies.rule import NO, YES, Applies, Asked, Rule, RuleInfo

EXCEPTION = "exception"
FILE = "data.conftest"
"""Where Conftest tells the name of the file (``data.conftest.file``)."""
_NAMED = f" with input as input.document with {FILE}.file as input.file"
_NAME = re.compile(r"(deny|violation|warn)(?:_[a-zA-Z0-9]+)*\Z")
_PREFIX = re.compile(r"(?:deny|violation|warn)(?:_|\Z)")
_PLAIN = re.compile(r"[^.\[\]\"=,]+\Z")
_MAX_MESSAGE = 2_000


def rules_of(
    package: str, names: tuple[str, ...], source: str, *, exceptions: bool = False, named: bool = False
) -> list[Rule]:
    """The rules among the ``names`` that a package defines.

    Args:
        package: such as ``main`` or ``kubernetes.labels``.
        names: of everything that the package defines.
        source: the file.
        exceptions: whether the package, maybe in another file, defines ``exception``.
        named: whether rules may read :data:`FILE`.
    """
    rules = [_rule(package, name, source, exceptions=exceptions) for name in names if _NAME.match(name)]
    return [msgspec.structs.replace(rule, query=rule.query + _NAMED, named=True) for rule in rules] if named else rules


def _rule(package: str, name: str, source: str, *, exceptions: bool) -> Rule:
    warns = name.startswith("warn")
    info = RuleInfo(
        id=f"rego/{package.replace('.', '/')}/{name}",
        title=f"{name} of package {package}",
        severity=Severity.LOW if warns else Severity.MEDIUM,
        action=Action.WARN if warns else Action.DENY,
        source=source,
    )
    if not exceptions:
        read = partial(read_results, info)
        return Rule(info, f"data.{package}.{name}", _applies, read, whole=True, optional=True)
    excepted = f'[1 | data.{package}.{EXCEPTION}[_][_] == "{_PREFIX.sub("", name, count=1)}"]'
    query = f'{{"results": data.{package}.{name}, "excepted": {excepted}}}'
    by = f"rego/{package.replace('.', '/')}/{EXCEPTION}"
    return Rule(info, query, _applies, partial(_read_excepted, info, by), whole=True, optional=True)


def read_results(info: RuleInfo, value: Any, asked: Asked) -> list[Finding]:
    """Findings of what the rule returned, in stable order, equal ones once.

    Raises:
        ValueError: it is no list of strings, or of objects with ``msg``.
    """
    if not isinstance(value, list):
        raise ValueError("expected a set or list of messages")  # noqa: TRY004 - the reader's one error
    about = resource_of(asked)
    found = dict.fromkeys(map(_result, value))
    return [finding(info, about, field, message) for field, message in sorted(found)]


def _read_excepted(info: RuleInfo, by: str, value: Any, asked: Asked) -> list[Finding]:
    findings = read_results(info, value["results"], asked)
    if not value["excepted"]:
        return findings
    return [msgspec.structs.replace(one, exception=by) for one in findings]


def _result(result: Any) -> tuple[str, str]:
    """The field that a result names, empty if none, and its message."""
    if not isinstance(result, dict):
        result = {"msg": result}
    message = result.get("msg")
    if not isinstance(message, str):
        raise ValueError("expected strings, or objects with msg")  # noqa: TRY004 - the reader's one error
    field, path = result.get("field"), result.get("path")
    field = field if isinstance(field, str) else _path(path if isinstance(path, list) else [])
    return field[:_MAX_MESSAGE], message[:_MAX_MESSAGE]


def _path(steps: list[Any]) -> str:
    """The field path of names and indices; empty if there is anything else among them."""
    text = ""
    for step in steps:
        if isinstance(step, str):
            name = step if _PLAIN.match(step) else f"[{msgspec.json.encode(step).decode()}]"
            text += name if not text or name.startswith("[") else f".{name}"
        elif isinstance(step, int) and not isinstance(step, bool):
            text += f"[{step}]"
        else:
            return ""
    return text


def _applies(asked: Asked) -> Applies:
    return YES if asked.subject.raw_object else NO
