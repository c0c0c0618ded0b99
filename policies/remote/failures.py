"""What became of an evaluation that has no value, as every engine says it."""

from __future__ import annotations

from gateway.core.errors import GovgateError
from policies.engine import Failed
from policies.remote.errors import Error, RefusedError, UnreachableError, UnusableAnswerError
from policies.remote.push import World


def failed(error: GovgateError, world: World | None = None) -> Failed:
    """The failure; a rule's own names the rule's file and line."""
    if isinstance(error, UnreachableError | UnusableAnswerError):
        return Failed(error.code, str(error))
    if isinstance(error, RefusedError) and error.errors:
        return Failed(error.errors[0].code, _explained(error.errors[0], world))
    return Failed("server", str(error))


def _explained(error: Error, world: World | None) -> str:
    """The message behind the place, by the names that modules have here."""
    place, message = error.location, error.message
    file = place.file if place is not None else ""
    if world is not None:
        file = world.modules[file].path if file in world.modules else ""
        message = world.back(message)
    return f"{file}:{place.row}: {message}" if file and place is not None else message
