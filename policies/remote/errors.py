"""What can go wrong with an OPA server: it failed, or it refused what it was asked."""

from __future__ import annotations

import errno
import os
import ssl
from typing import Any

import msgspec

from gateway.core.errors import UndecidedError


class UnreachableError(UndecidedError):
    """The server could not be asked, or did not answer as one. ``code``: of the :class:`policies.engine.Failed`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ServerFaultError(UnreachableError):
    """The server answered, and not as OPA answers what it was asked."""

    def __init__(self, message: str) -> None:
        super().__init__("server", f"the OPA server failed: {message}")


class UnusableAnswerError(UndecidedError):
    """The answer is larger than it may be, or says what cannot be said here: not the server is at fault, but what was asked
    for. ``code``: of the :class:`policies.engine.Failed`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Place(msgspec.Struct, frozen=True):
    """Where an error is, as OPA says it: ``file`` is the id of a policy."""

    file: str = ""
    row: int = 0
    col: int = 0


class Error(msgspec.Struct, frozen=True):
    """One error of a compilation or an evaluation."""

    code: str = ""
    message: str = ""
    location: Place | None = None


class RefusedError(UndecidedError):
    """The server says why it does not do what it was asked. ``errors``: those of rules."""

    def __init__(self, status: int, message: str, errors: tuple[Error, ...] = ()) -> None:
        super().__init__(f"the OPA server refuses: {message}")
        self.status = status
        self.errors = errors

    @classmethod
    def of(cls, status: int, document: dict[str, Any]) -> RefusedError:
        """From the body of the answer. Source: https://www.openpolicyagent.org/docs/rest-api#errors."""
        try:
            errors = msgspec.convert(document.get("errors") or (), tuple[Error, ...])
        except msgspec.ValidationError:
            errors = ()
        said = " ".join(str(document.get("message") or document.get("code") or "no reason is given").split())
        return cls(status, said[:200], errors)


def reason_of(error: BaseException) -> str:
    """What a foreign error says, in one line; of the system's own errors, the system's words."""
    text = str(error)
    number = error.errno if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
    if number is not None and number in errno.errorcode:
        text = os.strerror(number)
    return " ".join(text.split())[:200] or type(error).__name__
