"""Rules handed to a server: base documents, modules, the entry to the queries.

All who hand over the same rules share them. Each process has a session in them, with what it knows of a cluster.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from policies.engine import Diagnostic, Module, RulesError
from policies.remote.client import OpaClient
from policies.remote.errors import Error, RefusedError, ServerFaultError
from policies.remote.pointer import add
from policies.remote.world import (
    ENTRY,
    HERE,
    INVENTORY,
    SESSIONS,
    Mover,
    inventory_is_fixed,
    question,
    without_function,
)

T = TypeVar("T")
_PARSE_ERROR = "rego_parse_error"


class Caller(Protocol):
    """See :meth:`policies.remote.link.Link.call`."""

    async def __call__(self, what: Callable[[OpaClient], Awaitable[T]], timeout_seconds: float) -> T:
        """Ask, once."""
        ...


class World(msgspec.Struct, frozen=True):
    """Rules as a server gets them. ``texts``: by id, the moved modules, the entry last; ``modules``: what they were.

    ``session``: of this process. ``fixed``: the inventory cannot be moved into it, so nobody else uses these rules.
    """

    root: str
    session: str
    fixed: bool
    texts: dict[str, str]
    modules: dict[str, Module]
    data: dict[str, Any]

    @classmethod
    def of(cls, modules: Sequence[Module], queries: Sequence[str], data: Mapping[str, Any]) -> World:
        """The root is named by all that decides."""
        session = secrets.token_hex(8)
        fixed = any(inventory_is_fixed(text) for text in (*(module.text for module in modules), *queries))
        material = msgspec.json.encode((modules, queries, data), order="deterministic")
        root = "govgate_" + hashlib.sha256(material).hexdigest()[:20] + (f"_{session}" if fixed else "")
        mover = Mover(root, fixed=fixed)
        moved = [mover.module(module.text, number) for number, module in enumerate(modules)]
        names = [policy_id(root, str(number)) for number in range(len(modules))]
        own = policy_id(root, ENTRY)
        texts = {**dict(zip(names, moved, strict=True)), own: mover.entry(moved, queries)}
        known = {**dict(zip(names, modules, strict=True)), own: Module("queries", "")}
        return cls(root, session, fixed, texts, known, dict(data))

    @property
    def mover(self) -> Mover:
        """What has moved them."""
        return Mover(self.root, fixed=self.fixed)

    @property
    def own(self) -> str:
        """The path of this process's session."""
        return f"{self.root}/{SESSIONS}/{self.session}"

    @property
    def documents(self) -> dict[str, Any]:
        """The base documents where they lie below the root."""
        if self.fixed or INVENTORY not in self.data:
            return self.data
        others = {name: value for name, value in self.data.items() if name != INVENTORY}
        return others | {SESSIONS: {self.session: {INVENTORY: self.data[INVENTORY]}}}

    def place(self, path: Sequence[str]) -> tuple[str, ...]:
        """Where a base document lies below the root."""
        if path[0] == INVENTORY and not self.fixed:
            return (SESSIONS, self.session, *path)
        return tuple(path)

    def back(self, text: str) -> str:
        """What a server says, with the names as they were."""
        for name in sorted(self.modules, key=len, reverse=True) if self.root in text else ():
            text = text.replace(name, self.modules[name].path)
        return self.mover.back(text)


def policy_id(root: str, name: str) -> str:
    """Under which a server keeps a module."""
    return f"govgate/{root}/{name}"


async def hand_over(call: Caller, world: World, data: Mapping[str, Any], timeout_seconds: float) -> None:
    """Hand over everything; what is there already is not changed. ``data``: all that lies below the root.

    Raises:
        RulesError: the server does not take a module.
        UndecidedError: the server is not there, or was started anew meanwhile.
    """
    until = time.monotonic() + timeout_seconds

    async def step(what: Callable[[OpaClient], Awaitable[T]]) -> T:
        return await call(what, max(0.0, until - time.monotonic()))

    # The way to the session is made with it; to what it does not hold there must be one.
    session = data.get(SESSIONS, {}).get(world.session, {})
    await step(lambda c: c.update_or_create_data({"since": int(time.time()), **session}, world.own))
    documents = [add((key,), value) for key, value in data.items() if key != SESSIONS]
    await step(lambda c: c.patch_data(world.root, documents))
    await _put_modules(step, world)
    if await step(lambda c: ask(c, world, (), msgspec.Raw(b"null"))) is None:
        raise ServerFaultError("it lost the rules while it was given them")


async def _put_modules(step: Any, world: World) -> None:
    """Modules that call others' functions are refused until those are there: go round until nothing more is taken."""
    entry = policy_id(world.root, ENTRY)
    left = [name for name in world.texts if name != entry]
    while left:
        refused = {name: error for name in left if (error := await _put(step, name, world.texts[name]))}
        if len(refused) == len(left):
            raise RulesError(_diagnostics(world, refused))
        left = list(refused)
    error = await _put(step, entry, world.texts[entry])
    if error is not None and any(HERE in one.message for one in error.errors):
        raise ServerFaultError("it lost the rules while it was given them")
    if error is not None:
        raise RulesError(_diagnostics(world, {entry: error}))


async def _put(step: Any, name: str, text: str) -> RefusedError | None:
    try:
        await step(lambda c: c.update_policy_from_string(text, name, rego_compat=False))
    except RefusedError as error:
        if not error.errors:
            raise
        if not any(one.code == _PARSE_ERROR for one in error.errors) or without_function(text) == text:
            return error
        # What does not parse may end where nothing should have been added.
        return await _put(step, name, without_function(text)) or error
    return None


async def ask(client: OpaClient, world: World, queries: Sequence[int], document: msgspec.Raw) -> dict[str, Any] | None:
    """The values of queries by their positions, as text; None if the server does not have the rules.

    Raises:
        RefusedError: an evaluation fails.
        ServerFaultError: the answer is none.
    """
    answer = await client.ad_hoc_query(question(queries, world.root, world.session), document)
    match answer:
        case {"result": [{"answers": dict(answers)}]}:
            return answers
        case {"result": []}:
            return None
        case {"result": _}:
            raise ServerFaultError("its answer is none to what it was asked")
    return None


def _diagnostics(world: World, refused: Mapping[str, RefusedError]) -> list[Diagnostic]:
    """Each error once, by the names that modules have here."""
    found: dict[Diagnostic, None] = {}
    for name, refusal in refused.items():
        for error in refusal.errors:
            found[_diagnostic(world, name, error)] = None
    return list(found)


def _diagnostic(world: World, name: str, error: Error) -> Diagnostic:
    place = error.location
    where = place.file if place is not None and place.file in world.modules else name
    module = world.modules[where]
    row, col = (place.row, place.col) if place is not None else (0, 0)
    text = world.back(error.message)
    if module.version == 0:
        text += " (it is in Rego v0, which this OPA server does not take: it must run with --v0-compatible)"
    return Diagnostic(module.path, row, world.mover.column(world.texts[where], row, col), error.code, text)
