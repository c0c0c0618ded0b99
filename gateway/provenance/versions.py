"""Ranges of versions, resolved as whoever will fetch them would do it now."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.core.errors import UndecidedError
from gateway.core.text import shown
from gateway.native.library import NativeError, NativeMissingError
from gateway.native.semver import Rules, newest
from gateway.provenance.oci.errors import NotFoundError

MAX_EQUAL = 8
"""Tags of one and the same version: all of them are judged."""


class Versions(msgspec.Struct, frozen=True):
    """A range, and by whose rules it is read. ``only``: a pattern that tags must contain, as Flux's ``semverFilter``."""

    text: str
    rules: Rules
    only: str = ""

    def __str__(self) -> str:
        text = self.text or "*"
        return shown(f"{text} ({self.only})" if self.only else text)


def resolve(versions: Versions, tags: Sequence[str], *, where: str) -> list[str]:
    """The tags that stand for the newest version in the range: one, or several that are equal. May take a while: a
    repository can have many tags.

    Args:
        versions: the range.
        tags: all of the repository.
        where: the repository, for errors.

    Raises:
        NotFoundError: there is none.
        UndecidedError: the range cannot be read, or there is nothing that could read it.
    """
    try:
        found = newest(versions.text, tags, rules=versions.rules, only=versions.only)
    except NativeMissingError as error:
        raise UndecidedError(f"{where}: the range {versions} cannot be resolved: {error}") from None
    except NativeError as error:
        raise UndecidedError(f"{where}: the range {versions} cannot be read: {shown(str(error))}") from None
    if not found:
        raise NotFoundError(f"{where}: none of {len(tags)} tags is in the range {versions}")
    if len(found) > MAX_EQUAL:
        raise UndecidedError(
            f"{where}: {len(found)} tags stand for the newest version in {versions}: remove all but one"
        )
    return found
