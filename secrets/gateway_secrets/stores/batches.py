"""Many references at once: each key and version is read once, and several keys in one request where the store can."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

from gateway_secrets.stores.errors import (
    RejectedError,
    StoreError,
    ThrottledError,
    UnavailableError,
    UnreadyError,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import BatchStore, Payload, Reference, Store

_T = TypeVar("_T")
_WHOLE = (ThrottledError, UnavailableError, RejectedError, UnreadyError)
"""Whatever is asked next would have the same answer."""
Identity = tuple[str, str, str]
Result = Payload | StoreError


class Ask(Protocol):
    """One request: paced, and told how many seconds are left."""

    async def __call__(self, ask: Callable[[float], Awaitable[_T]], /) -> _T:
        """The answer."""
        ...


def identity(reference: Reference) -> Identity:
    """What has to be read for a reference, whatever part of it is asked for."""
    return reference.key, reference.version, reference.metadata_policy


async def payloads_of(
    store: Store,
    ask: Ask,
    single: Callable[[Reference], Awaitable[Payload]],
    references: Sequence[Reference],
    limits: StoreLimits,
) -> dict[Identity, Result]:
    """The payload of each reference by its :func:`identity`, or why there is none.

    ``ask`` makes a request, ``single`` reads one. What a batch does not tell, or not for now, is read by itself.
    """
    wanted = {identity(reference): reference for reference in references}
    found: dict[Identity, Result] = {}
    if isinstance(store, BatchStore):
        keys = [key for key, version, policy in wanted if not version and policy == "None"]
        found = {(key, "", "None"): result for key, result in (await _batched(store, ask, keys)).items()}
    turns = asyncio.Semaphore(limits.connections)

    async def one(what: Identity) -> None:
        async with turns:
            try:
                found[what] = await single(wanted[what])
            except StoreError as error:
                found[what] = error

    await asyncio.gather(*(one(what) for what in wanted if what not in found))
    return found


async def _batched(store: BatchStore, ask: Ask, keys: Sequence[str]) -> dict[str, Result]:
    found: dict[str, Result] = {}
    left = iter(keys)
    while store.batch_size > 1:
        batch = list(islice(left, store.batch_size))
        if len(batch) <= 1:
            break  # one by itself is a single read, and its rights are the usual ones
        try:
            results = await ask(partial(_many, store, batch))
        except _WHOLE as error:
            found.update(dict.fromkeys(batch, error))
        except StoreError:
            continue  # it may be the fault of one of them: read one by one, each has an answer of its own
        else:
            found.update(_settled(results.items()))
    return found


async def _many(store: BatchStore, batch: Sequence[str], within: float) -> Mapping[str, Result]:
    return await store.read_many(batch, within=within)


def _settled(results: Iterable[tuple[str, Result]]) -> dict[str, Result]:
    return {key: result for key, result in results if not isinstance(result, ThrottledError | UnavailableError)}
