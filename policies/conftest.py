"""Rules as Conftest knows them: ``deny``, ``violation`` and ``warn`` in any package, over any structured file.

The input is the document itself. A rule returns strings, or objects with ``msg``. Source: https://www.conftest.dev.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from gateway.core.finding import Action, Finding, Severity
from policies.builtin import finding, resource_of
from policies.rule import NO, YES, Applies, Asked, Rule, RuleInfo

_NAME = re.compile(r"(deny|violation|warn)(?:_[a-zA-Z0-9]+)*\Z")
_MAX_MESSAGE = 2_000


def rules_of(package: str, names: tuple[str, ...], source: str) -> list[Rule]:
    """The rules among the ``names`` that a package defines.

    Args:
        package: such as ``main`` or ``kubernetes.labels``.
        names: of everything that the package defines.
        source: the file.
    """
    return [_rule(package, name, source) for name in names if _NAME.match(name)]


def _rule(package: str, name: str, source: str) -> Rule:
    warns = name.startswith("warn")
    info = RuleInfo(
        id=f"rego/{package.replace('.', '/')}/{name}",
        title=f"{name} of package {package}",
        severity=Severity.LOW if warns else Severity.MEDIUM,
        action=Action.WARN if warns else Action.DENY,
        source=source,
    )
    read = partial(read_results, info)
    return Rule(info, f"data.{package}.{name}", _applies, read, whole=True, optional=True)


def read_results(info: RuleInfo, value: Any, asked: Asked) -> list[Finding]:
    """Findings of what the rule returned, in stable order, equal ones once.

    Raises:
        ValueError: it is no list of strings, or of objects with ``msg``.
    """
    if not isinstance(value, list):
        raise ValueError("expected a set or list of messages")  # noqa: TRY004 - the reader's one error
    about = resource_of(asked)
    messages = dict.fromkeys(map(_message, value))
    return [finding(info, about, "", message) for message in sorted(messages)]


def _message(result: Any) -> str:
    message = result.get("msg") if isinstance(result, dict) else result
    if not isinstance(message, str):
        raise ValueError("expected strings, or objects with msg")  # noqa: TRY004 - the reader's one error
    return message[:_MAX_MESSAGE]


def _applies(asked: Asked) -> Applies:
    return YES if asked.subject.raw_object else NO
