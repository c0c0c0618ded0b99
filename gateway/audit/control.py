"""What the command line changes in a log: by its writer if one is at work, else by itself under the lock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.audit.chain import draft_event
from gateway.audit.client import AuditClient
from gateway.audit.committer import obey
from gateway.audit.link import connect
from gateway.audit.log import Log
from gateway.audit.state import DATABASE, LogInUseError, create_state, open_state, writer_lock
from gateway.audit.wire import Command, Done, Entry, Message
from gateway.config.model import Audit
from gateway.core.errors import AuditError

_ANSWER_SECONDS = 60.0


def init_log(folder: Path, config: Audit) -> None:
    """Make the state folder, the keys and the log's first record, unless there is a log.

    Raises:
        AuditError: it cannot be made, or is in use.
    """
    state = create_state(folder)
    if not (folder / DATABASE).exists():
        with writer_lock(folder):
            Log(state, config, purpose="init").close()


def control(folder: Path, config: Audit, command: Command) -> str:
    """Carry out a command; returns its answer.

    Raises:
        AuditError: there is no log, the writer does not answer, or the command failed.
    """
    state = open_state(folder)
    try:
        with writer_lock(folder):
            log = Log(state, config, purpose=command.name)
            answer = obey(log, command)
            while log.step():
                pass
            log.close()
            return answer
    except LogInUseError:
        return asyncio.run(_ask(folder, command))


def note(folder: Path, config: Audit, kind: str, detail: Mapping[str, Any], *, purpose: str) -> None:
    """Record something that a command did, such as reading a secret; when this returns, it is on disk.

    Raises:
        AuditError: there is no log, or it cannot be written.
    """
    state = open_state(folder)
    try:
        with writer_lock(folder):
            log = Log(state, config, purpose=purpose)
            log.append([Entry(draft_event(kind, detail))])
            log.close()
    except LogInUseError:
        asyncio.run(_hand_over(folder, config, kind, detail))


async def _hand_over(folder: Path, config: Audit, kind: str, detail: Mapping[str, Any]) -> None:
    client = AuditClient(config, folder=folder)
    await client.start()
    await client.event(kind, detail)
    await client.close()


async def _ask(folder: Path, command: Command) -> str:
    answer: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
    try:
        link = await connect(folder, _taker(answer), lambda: None)
    except OSError:
        raise AuditError(f"the writer of the log in {folder} does not take commands") from None
    link.send(command)
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await asyncio.wait((answer, link.lost), return_when=asyncio.FIRST_COMPLETED)
    except TimeoutError:
        raise AuditError("the audit writer did not answer in time") from None
    finally:
        link.close()
    if not answer.done():
        raise AuditError("the audit writer closed the connection")
    done = answer.result()
    if done.error:
        raise AuditError(done.error)
    return done.text


def _taker(answer: asyncio.Future[Done]) -> Callable[[Message], None]:
    def take(message: Message) -> None:
        if isinstance(message, Done) and not answer.done():
            answer.set_result(message)

    return take
