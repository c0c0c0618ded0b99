"""What a fix would change in its file, as regions and what takes their place: for reports that show fixes. Pure."""

from __future__ import annotations

import msgspec

from gateway.ci.fix.diff import diff_of
from gateway.ci.fix.text import Wanted, fix_file


class Replacement(msgspec.Struct, frozen=True):
    """A region of the file, and the text for it. Lines and columns are counted from 1, columns in characters; the end
    is the place after the last character. An insertion has a region of no characters.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


def suggestion(path: str, old: bytes, one: Wanted) -> tuple[Replacement, ...]:
    """The replacements that are the fix, in order; none where it cannot be made, or may show what is secret.

    What ``--diff`` does not show is not shown here either.
    """
    fixed = fix_file(old, [one])
    if not fixed.done or diff_of(path, old, fixed).hidden or old.startswith(b"\xef\xbb\xbf"):
        return ()
    text = old.decode()
    return tuple(Replacement(*_place(text, at), *_place(text, end), new) for at, end, new in fixed.changes)


def _place(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
