"""What a case of a test suite expects of the violations. Patterns are Go's, matched by the engine itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import msgspec

from gateway.core.errors import GovgateError
from gateway.native.rego import RuleSet, Value, compile_rules

_TIMEOUT_SECONDS = 5.0


class SuiteError(GovgateError):
    """A test suite, or a file that it names, is not what it should be."""


class Assertion(msgspec.Struct, frozen=True):
    """``violations``: how many, or ``yes`` for at least one, or ``no``; of those whose message matches ``message``.

    YAML as Kubernetes reads it makes booleans of ``yes`` and ``no`` without quotes.
    """

    violations: int | str | bool = "yes"
    message: str | None = None


def unmet(assertion: Assertion, messages: Sequence[str]) -> str:
    """Why the messages do not meet the assertion; empty if they do.

    Raises:
        SuiteError: the assertion is malformed.
    """
    wanted = assertion.violations
    if isinstance(wanted, bool):
        wanted = "yes" if wanted else "no"
    if wanted not in ("yes", "no") if isinstance(wanted, str) else wanted < 0:
        raise SuiteError(f'violations is "yes", "no" or a number from 0, not {wanted!r}')
    count = len(messages) if assertion.message is None else _matching(assertion.message, messages)
    met = count > 0 if wanted == "yes" else count == 0 if wanted == "no" else count == wanted
    if met:
        return ""
    about = "" if assertion.message is None else f' containing "{assertion.message}"'
    expected = {"yes": "at least 1", "no": "none"}.get(str(wanted), f"exactly {wanted}")
    return f"unexpected number of violations: got {count} violations{about} but want {expected}: got messages {list(messages)}"


def _matching(pattern: str, messages: Sequence[str]) -> int:
    document = msgspec.json.encode({"pattern": pattern, "messages": messages})
    [[valid, count]] = _patterns().evaluate([document], timeout_seconds=_TIMEOUT_SECONDS)
    if not isinstance(valid, Value) or bytes(valid.value) != b"true":
        raise SuiteError(f"not a regular expression: {pattern!r}")
    if not isinstance(count, Value):
        raise SuiteError(f"the messages could not be matched with {pattern!r}")
    return msgspec.json.decode(count.value, type=int)


@cache
def _patterns() -> RuleSet:
    queries = (
        "regex.is_valid(input.pattern)",
        "count([1 | some message in input.messages; regex.match(input.pattern, message)])",
    )
    return compile_rules((), queries)
