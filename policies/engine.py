"""What every Rego engine offers: rules loaded as a whole, then asked about one input at a time.

Engines differ in where the rules run, and in nothing else: the same modules, queries and input give the same answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from gateway.core.errors import GovgateError
from gateway.native.inspect import Inspection


class Module(msgspec.Struct, frozen=True):
    """One Rego file. ``version`` is that of the language."""

    path: str
    text: str
    version: Literal[0, 1] = 1


class Diagnostic(msgspec.Struct, frozen=True):
    """What is wrong with a rule, and where; lines and columns count from 1, 0 where they are not known."""

    path: str
    line: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        return f"{where}: {self.message}" if where else self.message


class RulesError(GovgateError):
    """Rules that cannot be loaded: nothing of them is."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(map(str, diagnostics)) or "the rules cannot be loaded")
        self.diagnostics = tuple(diagnostics)


class Value(msgspec.Struct, frozen=True, tag="value"):
    """The query has a value."""

    value: Any


class Undefined(msgspec.Struct, frozen=True, tag="undefined"):
    """The query has no value. That is not an answer: it is never taken for "allowed"."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The evaluation failed, or did not end in time (``code`` ``timeout``), or was not begun (``saturated``)."""

    code: str
    message: str


Answer = Value | Undefined | Failed


class Rules(Protocol):
    """Rules that are loaded, with their queries prepared."""

    async def ask(
        self, document: bytes, queries: Sequence[int], *, timeout_seconds: float, lean: bool = False
    ) -> list[Answer]:
        """The answer to each of ``queries`` (positions in what was loaded) for the input ``document``, JSON.

        ``lean``: the document is a review, and its objects are without ``metadata.managedFields`` for the rules.
        Takes no longer than ``timeout_seconds``, and raises nothing but cancellation.
        """
        ...

    async def ask_all(
        self, documents: Sequence[bytes], queries: Sequence[int], *, timeout_seconds: float, lean: bool = False
    ) -> list[list[Answer]]:
        """The same about many documents; ``timeout_seconds`` is for each, not for all of them together."""
        ...

    def references(self, query: int) -> frozenset[str] | None:
        """What a query may read, such as ``input.review.userInfo`` or ``data.inventory``; None where it is not known."""
        ...

    async def put_data(self, path: Sequence[str], value: Any) -> None:
        """Replace the base document at ``path``; None removes it.

        Raises:
            UndecidedError: the engine did not take it.
        """
        ...

    def overrunning(self) -> int:
        """Evaluations that were answered and still run in this process: a number that stays calls for another one."""
        ...

    @property
    def problem(self) -> str:
        """Why the rules cannot be asked at the moment; empty while they can."""
        ...

    async def close(self) -> None:
        """Let go of the rules."""
        ...


class Engine(Protocol):
    """Loads rules."""

    async def load(self, modules: Sequence[Module], queries: Sequence[str], data: Mapping[str, Any]) -> Rules:
        """Compile ``modules`` with ``data`` as base documents, and prepare ``queries``: all of it, or nothing.

        Raises:
            RulesError: what is wrong, and where.
            UndecidedError: the engine cannot be reached, or is not there.
        """
        ...

    async def inspect(self, modules: Sequence[Module]) -> Inspection:
        """What modules hold before they are loaded: their packages, the names of their rules, the version of Rego.

        Raises:
            UndecidedError: the engine cannot be reached, or is not there.
        """
        ...
