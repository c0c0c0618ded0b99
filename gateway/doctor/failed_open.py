"""The API server's own audit log: requests that went through because a webhook did not answer.

Source: ``k8s.io/apiserver/pkg/admission/plugin/webhook/validating/dispatcher.go``: the annotation
``failed-open.validating.webhook.admission.k8s.io/round_0_index_N`` names the webhook.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from gateway.core.errors import GovgateError
from gateway.doctor.registrations import resource_of
from gateway.doctor.rules import Result, found

MAX_LINE_BYTES = 4 * 1024 * 1024
MAX_USERS = 10_000
_PREFIX = "failed-open.validating.webhook.admission.k8s.io/"
_MARK = _PREFIX.encode()
_STAGES = {"", "ResponseComplete", "Panic"}
"""One request has an event for each stage; its last has the annotations."""
_SHOWN = 5


class _User(msgspec.Struct):
    username: str = ""


class _Event(msgspec.Struct, rename="camel"):
    stage: str = ""
    user: _User = msgspec.field(default_factory=_User)
    verb: str = ""
    request_received_timestamp: str = ""
    annotations: dict[str, str] = {}


class Opened(msgspec.Struct):
    """What was let through by one webhook's failing."""

    count: int = 0
    first: str = ""
    last: str = ""
    users: Counter[str] = msgspec.field(default_factory=Counter)


def read_audit_log(path: Path, webhooks: set[str]) -> tuple[dict[str, Opened], int]:
    """What failed open of these webhooks, by name; and how many lines could not be read. Memory holds a line.

    Raises:
        GovgateError: the file cannot be read.
    """
    found_ones: dict[str, Opened] = {}
    unreadable = 0
    decode = msgspec.json.Decoder(_Event).decode
    try:
        with path.open("rb") as file:
            for line in _lines(file):
                if line is not None and (_MARK not in line and line.lstrip()[:1] in {b"{", b""}):
                    continue
                try:
                    _count(decode(line or b""), webhooks, found_ones)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    unreadable += 1
    except OSError as error:
        raise GovgateError(f"{path}: cannot be read: {error.strerror}") from None
    return found_ones, unreadable


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """The lines; None for one that is too long."""
    while line := file.readline(MAX_LINE_BYTES):
        if line.endswith(b"\n") or len(line) < MAX_LINE_BYTES:
            yield line
            continue
        while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
            pass
        yield None


def _count(event: _Event, webhooks: set[str], into: dict[str, Opened]) -> None:
    names = {name for key, name in event.annotations.items() if key.startswith(_PREFIX)}
    for name in names & webhooks if event.stage in _STAGES else ():
        one = into.setdefault(name, Opened())
        one.count += 1
        when = event.request_received_timestamp
        one.first = min(filter(None, (one.first, when)), default="")
        one.last = max(one.last, when)
        user = event.user.username
        one.users[user if user in one.users or len(one.users) < MAX_USERS else "others"] += 1


def check_failed_open(opened: dict[str, Opened], registration: str) -> list[Result]:
    """A finding for each webhook: how many, when, who."""
    results: list[Result] = []
    for name, one in sorted(opened.items()):
        who = ", ".join(f"{user} ({count})" for user, count in one.users.most_common(_SHOWN))
        more = f", and {len(one.users) - _SHOWN} more" if len(one.users) > _SHOWN else ""
        text = f"{one.count} requests were let through unjudged, from {one.first} to {one.last}, by {who}{more}"
        results.append(found("failed-open", resource_of(registration), text, field=f"webhooks[name={name}]"))
    return results
