"""Errors of the Kubernetes API, told apart where it matters."""

from __future__ import annotations

from gateway.core.errors import ClusterError

_OUTDATED = frozenset((404, 409))


class ApiError(ClusterError):
    """The API server answered, with an error: ``code`` is the HTTP status, ``reason`` the API's word for it.

    ``retry_after_seconds`` is what the server asked for, None if it did not. ``continue_``: where a list that expired
    (410) may go on, as the server offers it; empty if it does not.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        continue_: str = "",
    ) -> None:
        super().__init__(f"{code} {reason}: {message}" if message else f"{code} {reason}")
        self.code = code
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds
        self.continue_ = continue_

    def about(self, what: str) -> ApiError:
        """The same, with what it is about at the beginning of its text."""
        error = ApiError(self.code, self.reason, "", retry_after_seconds=self.retry_after_seconds)
        error.args = (f"{what}: {self}",)
        return error


def is_outdated(error: Exception) -> bool:
    """Whether the object that was written is gone, or of another version: a watch will tell, if it has not yet."""
    return isinstance(error, ApiError) and error.code in _OUTDATED


class UnreachableError(ClusterError):
    """No answer: no connection, a connection that broke, or a time-out."""


class ResponseTooLargeError(ClusterError):
    """An answer, or one line of a watch, is larger than allowed."""
