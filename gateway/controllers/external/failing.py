"""Which errors of the API server an object is told of: those that will not pass by themselves. Pure."""

from __future__ import annotations

from gateway.core.errors import ClusterError
from gateway.kube import ApiError, Key, is_outdated

MAX_OBJECTS = 10_000
_OF_CLIENT = range(400, 500)
_PASSING = frozenset((408, 409, 429))


class Failing:
    """The objects whose last look failed so."""

    def __init__(self) -> None:
        self._keys: set[Key] = set()

    def lasts(self, key: Key, error: ClusterError) -> bool:
        """Whether an error is worth telling of: the API server says no, or it is not the first one in a row."""
        if is_outdated(error):
            return False
        again = key in self._keys
        if len(self._keys) >= MAX_OBJECTS:
            self._keys.clear()  # it is told a little later then
        self._keys.add(key)
        return again or (isinstance(error, ApiError) and error.code in _OF_CLIENT and error.code not in _PASSING)

    def passed(self, key: Key) -> None:
        """A look did not fail so, or the object is no more."""
        self._keys.discard(key)
