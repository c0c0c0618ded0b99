"""Rego, evaluated by OPA's own engine inside this process.

Rules are compiled once, with all queries that will be asked, into a :class:`RuleSet`. An evaluation is answered at its
deadline whatever Go does: it is cancelled, and one that does not notice runs on by itself, is counted
(:func:`overrunning`), and beyond a bound nothing new is started: such answers are :class:`TimedOut` too. Evaluations
that run while the memory goes beyond the limit (:class:`gateway.native.library.Tuning`) are ended: :class:`Failed`.

As in OPA and Gatekeeper, a built-in function that fails leaves its expression undefined; ``Options.strict_builtins``
makes it an error. Rules reach no host unless ``Options.hosts`` names it: without any, ``http.send`` and
``net.lookup_ip_addr`` are errors at load, so that they are seen before a request depends on them. ``opa.runtime()``
is always empty, ``print`` does nothing outside tests.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from gateway.core.errors import GovgateError
from gateway.native.library import NativeError, call, frames
from gateway.native.mailbox import mailbox


class Module(msgspec.Struct, frozen=True):
    """The text of one Rego file, and the version of the language it is written in."""

    path: str
    text: str
    version: Literal[0, 1] = 1


class Options(msgspec.Struct, frozen=True, rename="camel"):
    """How rules are compiled and evaluated."""

    hosts: tuple[str, ...] = ()
    """Hosts that rules may reach, by name or address; none: the built-ins that would do not exist."""
    strict_builtins: bool = False
    """A built-in that fails is a :class:`Failed`, not undefined."""
    strict: bool = False
    """OPA's strict mode of the compiler: unused imports and variables are errors."""
    max_result_bytes: int = 4 * 1024 * 1024
    """Larger results are a :class:`Failed`."""


class Diagnostic(msgspec.Struct, frozen=True):
    """What is wrong at one place; ``line`` and ``column`` count from 1, 0 where none is known."""

    path: str
    line: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


class RegoError(GovgateError):
    """Rules do not compile. The text has one line for each diagnostic: ``path:line:column: message``."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("\n".join(map(str, diagnostics)))
        self.diagnostics = diagnostics


class Value(msgspec.Struct, frozen=True, tag="value"):
    """The query has this value, as JSON; sets are sorted lists."""

    value: msgspec.Raw


class Undefined(msgspec.Struct, frozen=True, tag="undefined"):
    """The query is undefined: neither true nor false, and never a pass by itself."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The evaluation failed. ``code`` is OPA's (``eval_conflict_error`` …) or one of ours: ``input``, ``memory``, ``panic``,
    ``result``, ``result_too_large``, ``several_results``.
    """

    code: str
    message: str
    path: str = ""
    line: int = 0
    column: int = 0


class TimedOut(msgspec.Struct, frozen=True, tag="timed_out"):
    """No answer in time. ``code``: ``deadline``, or ``saturated`` if too many evaluations run on already."""

    code: str = "deadline"


Answer = Value | Undefined | Failed | TimedOut

_decode_answers = msgspec.json.Decoder(list[list[Answer]]).decode
_encode = msgspec.json.encode


class RuleSet:
    """Compiled rules with their queries and data; made by :func:`compile_rules`.

    Calls may come from any thread. After :meth:`close` each raises NativeError (``bad_handle``); evaluations that run
    then are finished.
    """

    def __init__(self, handle: int, queries: int) -> None:
        self._handle = handle
        self._queries = queries
        self.close = weakref.finalize(self, call, "rego.close", _encode(handle))
        """Free the rules; also done when nobody holds them any more."""

    def evaluate(
        self,
        inputs: Sequence[bytes],
        queries: Sequence[int] | None = None,
        *,
        timeout_seconds: float,
        lean: bool = False,
    ) -> list[list[Answer]]:
        """Ask the queries (by number; None: all) about each input, a JSON document that is parsed once. Blocks.

        Several inputs are worked on in parallel, each within ``timeout_seconds`` from when its turn comes: what is not
        answered by then is :class:`TimedOut`, and costs the other inputs nothing. ``lean``: the inputs are reviews,
        whose objects the rules get without ``metadata.managedFields``.

        Raises:
            NativeError: there is no such query, or the rules are closed.
        """
        return _decode_answers(call("rego.evaluate", self._request(inputs, queries, timeout_seconds, lean)))

    async def ask(
        self, document: bytes, queries: Sequence[int] | None = None, *, timeout_seconds: float, lean: bool = False
    ) -> list[Answer]:
        """The same about one input, from an event loop; no thread is blocked.

        Raises:
            NativeError: there is no such query, or the rules are closed.
        """
        payload = self._request((document,), queries, timeout_seconds, lean)
        try:
            # Go answers at the deadline; the margin is for the answer to arrive. After it nobody waits for Go.
            output = await mailbox().call("rego.evaluate", payload, timeout_seconds + _MARGIN_SECONDS)
        except TimeoutError:
            return [TimedOut()] * (self._queries if queries is None else len(queries))
        return _decode_answers(output)[0]

    def _request(
        self, inputs: Sequence[bytes], queries: Sequence[int] | None, timeout_seconds: float, lean: bool
    ) -> bytes:
        timeout = max(0, int(timeout_seconds * 1e9))
        head = _encode({"handle": self._handle, "queries": queries, "timeout": timeout, "lean": lean})
        return frames((head, *inputs))

    def references(self, query: int) -> frozenset[str]:
        """What a query may read, in it and in every rule it reaches: ``input.review.userInfo``, ``data.inventory``.

        A reference ends where it becomes dynamic: ``input`` alone means that all of the input may be read.
        """
        request = _encode({"handle": self._handle, "query": query})
        return msgspec.json.decode(call("rego.references", request), type=frozenset[str])

    def annotations(self) -> list[dict[str, Any]]:
        """METADATA of packages and rules, each with ``path`` (``data.…``), ``file``, ``line``, ``annotations``."""
        return msgspec.json.decode(call("rego.annotations", _encode(self._handle)), type=list[dict[str, Any]])

    def put_data(self, path: Sequence[str], value: bytes | None) -> None:
        """Replace the document at ``path`` below ``data`` by a JSON value, at once; None removes it.

        Evaluations that have begun keep the data they began with. The objects on the way are copied: the cost grows
        with their number of keys, not with what is below.

        Raises:
            NativeError: the value is not JSON, or rules define the path.
        """
        head = _encode({"handle": self._handle, "path": list(path)})
        call("rego.put", frames((head,) if value is None else (head, value)))


_MARGIN_SECONDS = 0.05


def compile_rules(
    modules: Sequence[Module], queries: Sequence[str], *, data: bytes = b"{}", options: Options | None = None
) -> RuleSet:
    """Compile modules, v0 and v1 side by side, and prepare queries, each of one expression.

    Raises:
        RegoError: something does not compile; nothing is kept.
        NativeError: ``data`` is not a JSON object.
        NativeMissingError: there is no library.
    """
    request = _encode({"modules": modules, "queries": queries, "options": options or Options()})
    return RuleSet(msgspec.json.decode(compile_call("rego.compile", frames((request, data))), type=int), len(queries))


def compile_call(method: str, payload: bytes) -> bytes:
    """Call a handler that compiles rules.

    Raises:
        RegoError: they do not compile.
    """
    try:
        return call(method, payload)
    except NativeError as error:
        if error.code != "rego":
            raise
        raise RegoError(msgspec.convert(error.details, tuple[Diagnostic, ...])) from None


def overrunning() -> int:
    """Evaluations that were answered at their deadline and still run. Beyond a bound nothing new is started: the
    process should be replaced when this does not fall.
    """
    return msgspec.json.decode(call("rego.overrunning"), type=int)
