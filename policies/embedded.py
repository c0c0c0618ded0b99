"""OPA itself, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.core.errors import UndecidedError
from gateway.native import rego
from gateway.native.inspect import Inspection, inspect_modules
from gateway.native.library import NativeError, NativeMissingError
from gateway.native.trial import try_rules
from policies.engine import Answer, Diagnostic, Failed, Module, RulesError, Undefined, Value
from policies.sources import BUILTIN

_BATCH = 100
"""Documents that are judged in one call, which nothing interrupts."""


class EmbeddedRules:
    """Rules compiled into this process."""

    def __init__(self, rules: rego.RuleSet) -> None:
        self._rules = rules

    async def ask(
        self, document: bytes, queries: Sequence[int], *, timeout_seconds: float, lean: bool = False
    ) -> list[Answer]:
        """See :class:`policies.engine.Rules`."""
        try:
            answers = await self._rules.ask(document, queries, timeout_seconds=timeout_seconds, lean=lean)
        except NativeError as error:
            return [Failed(error.code, str(error))] * len(queries)
        return [_answer(answer) for answer in answers]

    async def ask_all(
        self, documents: Sequence[bytes], queries: Sequence[int], *, timeout_seconds: float, lean: bool = False
    ) -> list[list[Answer]]:
        """See :class:`policies.engine.Rules`: several at a time, in few calls."""
        rows: list[list[Answer]] = []
        for start in range(0, len(documents), _BATCH):
            some = documents[start : start + _BATCH]
            try:
                answers = await asyncio.to_thread(
                    self._rules.evaluate, some, queries, timeout_seconds=timeout_seconds, lean=lean
                )
            except NativeError as error:
                rows += [[Failed(error.code, str(error))] * len(queries)] * len(some)
            else:
                rows += [[_answer(answer) for answer in row] for row in answers]
        return rows

    async def put_data(self, path: Sequence[str], value: Any) -> None:
        """See :class:`policies.engine.Rules`."""
        try:
            self._rules.put_data(path, None if value is None else msgspec.json.encode(value))
        except NativeError as error:
            raise UndecidedError(f"the rules' data could not be replaced: {error}") from None

    def references(self, query: int) -> frozenset[str]:
        """What the query may read, such as ``input.review.userInfo`` or ``data.inventory``."""
        return self._rules.references(query)

    def overrunning(self) -> int:
        """See :class:`policies.engine.Rules`."""
        return rego.overrunning()

    @property
    def problem(self) -> str:
        """None: what is in this process can be asked."""
        return ""

    async def close(self) -> None:
        """Let go of the rules."""
        self._rules.close()


class EmbeddedOpa:
    """Loads rules into this process.

    ``hosts``: those that rules may reach, by name or address. ``trial``: rules that are not built in are compiled in a
    memory-limited child process first, for a process that must not die of them.
    """

    def __init__(self, *, hosts: Sequence[str] = (), trial: bool = False) -> None:
        self._options = rego.Options(hosts=tuple(hosts))
        self._trial = trial

    async def load(self, modules: Sequence[Module], queries: Sequence[str], data: Mapping[str, Any]) -> EmbeddedRules:
        """See :class:`policies.engine.Engine`."""
        given = [rego.Module(module.path, module.text, module.version) for module in modules]
        encoded = msgspec.json.encode(data)
        try:
            if self._trial and any(not module.path.startswith(BUILTIN) for module in modules):
                await asyncio.to_thread(try_rules, given, queries, data=encoded, options=self._options)
            rules = await asyncio.to_thread(rego.compile_rules, given, queries, data=encoded, options=self._options)
        except rego.RegoError as error:
            raise RulesError(
                [Diagnostic(d.path, d.line, d.column, d.code, d.message) for d in error.diagnostics]
            ) from None
        except NativeMissingError as error:
            raise UndecidedError(str(error)) from None
        except NativeError as error:
            raise RulesError([Diagnostic("", 0, 0, error.code, str(error))]) from None
        return EmbeddedRules(rules)

    async def inspect(self, modules: Sequence[Module]) -> Inspection:
        """See :class:`policies.engine.Engine`."""
        try:
            return inspect_modules([(module.path, module.text) for module in modules])
        except NativeMissingError as error:
            raise UndecidedError(str(error)) from None


_NOTHING = Value([])


def _answer(answer: rego.Answer) -> Answer:
    if isinstance(answer, rego.Value):
        raw = bytes(answer.value)
        try:
            return _NOTHING if raw == b"[]" else Value(msgspec.json.decode(raw))
        except msgspec.DecodeError as error:
            return Failed("result", f"the value cannot be read: {error}")
    if isinstance(answer, rego.Undefined):
        return Undefined()
    if isinstance(answer, rego.TimedOut):
        saturated = answer.code == "saturated"
        return Failed(answer.code, "too many evaluations overran" if saturated else "the evaluation took too long")
    where = f"{answer.path}:{answer.line}: " if answer.path else ""
    return Failed(answer.code, where + answer.message)
