"""dotenv and INI files cut into the lines of their keys, as :mod:`.pieces` cuts YAML.

Comments right above a key or a section belong to it; whatever else stands between two belongs to the former.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway_secrets.sops.errors import UnsupportedError
from gateway_secrets.sops.pieces import Piece

_DEFAULT = "DEFAULT"
_STATED = "sops_"
_COMMENTS = frozenset("#;")


def cut_dotenv(text: str) -> list[dict[str, Piece]]:
    """The pieces of the one document; the metadata are one, ``sops``."""
    lines = _lines(text)
    stated = [line for line in lines if line.startswith(_STATED)]
    rest = [line for line in lines if not line.startswith(_STATED)]
    names = {at: line.partition("=")[0] for at, line in enumerate(rest) if "=" in line and not line.startswith("#")}
    return [_pieces(rest, names) | {"sops": Piece(stated, 0, 0)}]


def cut_ini(text: str) -> list[dict[str, Piece]]:
    """The pieces of the one document: sections, and within each its keys.

    Raises:
        UnsupportedError: a section is there twice.
    """
    lines = _lines(text)
    heads = {at: line.strip()[1:-1] for at, line in enumerate(lines) if line.strip()[:1] == "["}
    if len(set(heads.values())) != len(heads):
        raise UnsupportedError("has a section twice")
    first = _first(lines, min(heads, default=len(lines)))
    before = lines[:first]
    inside = _pieces(before, _keys(before))
    found = {_DEFAULT: Piece(before, 0, 0, inside, headed=False)} if inside else {}
    sections = _pieces(lines[first:], {at - first: name for at, name in heads.items()})
    return [found | {name: _section(piece) for name, piece in sections.items()}]


def _section(piece: Piece) -> Piece:
    rest = piece.lines[piece.head + 1 :]
    return Piece(piece.lines, piece.head, 0, _pieces(rest, _keys(rest)))


def _keys(lines: Sequence[str]) -> dict[int, str]:
    names = enumerate(line.partition("=")[0].strip() for line in lines)
    return {at: name for at, name in names if name and name[0] not in _COMMENTS}


def _pieces(lines: list[str], names: dict[int, str]) -> dict[str, Piece]:
    """The pieces that begin in these lines, each with the comments above it, up to the next; together, all the lines."""
    starts = [0, *(_first(lines, at) for at in list(names)[1:])]
    return {
        name: Piece(lines[start:stop], at - start, 0)
        for (at, name), start, stop in zip(names.items(), starts, [*starts[1:], len(lines)], strict=False)
    }


def _first(lines: Sequence[str], line: int) -> int:
    while line and lines[line - 1].strip()[:1] in _COMMENTS:
        line -= 1
    return line


def _lines(text: str) -> list[str]:
    return [f"{line}\n" for line in text.removesuffix("\n").split("\n")]
