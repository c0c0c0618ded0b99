"""The text of two SOPS files merged, put together from the lines of their keys: YAML, dotenv and INI."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway_secrets.sops.errors import SopsError, UnsupportedError
from gateway_secrets.sops.pieces import Piece
from gateway_secrets.sops.sides import Leaf, Path, Side
from gateway_secrets.sops.threeway import MISSING, Take, below, decide, names
from gateway_secrets.sops.values import aad, decrypt, encrypt

_COMMENT = re.compile(r"ENC\[AES256_GCM,[^\]\n]*,type:comment\]")
MARKS = ("<<<<<<<", "=======", ">>>>>>>")


class LineMerger:
    """Puts the text of a file together; ``conflicts`` grows with each. Of three things: the base's, ours, the other's.

    ``braces``: whether a mapping that nothing is left in has to be written as ``{}``.
    """

    def __init__(self, mine: Side, other: Side, base: Side | None, *, braces: bool) -> None:
        self._mine = mine
        self._other = other
        self._base = base
        self._braces = braces
        self.conflicts: list[Path] = []

    def document(self, trees: Sequence[Mapping[str, Any]], pieces: Sequence[Mapping[str, Piece]]) -> str:
        """The text of a document."""
        return "".join(self._mapping(trees, pieces, ()) + pieces[1]["sops"].lines)

    def _mapping(
        self, trees: Sequence[Mapping[str, Any]], pieces: Sequence[Mapping[str, Piece]], path: Path
    ) -> list[str]:
        column = next((piece.column for piece in pieces[1].values()), 0)
        lines: list[str] = []
        for name in names(list(trees[1]), list(trees[2])):
            values = [tree.get(name, MISSING) for tree in trees]
            lines += self._entry(values, [one.get(name) for one in pieces], (*path, name), column)
        return lines

    def _entry(self, values: Sequence[Any], pieces: Sequence[Piece | None], path: Path, column: int) -> list[str]:
        base, mine, theirs = values
        former, piece, other = pieces
        taken = decide(base, mine, theirs)
        if taken is Take.NEITHER:
            return self._conflict(values, pieces, path, column)
        if piece is None or other is None:
            if taken is Take.OURS:
                return piece.lines if piece is not None else []
            return self._over(other, theirs, mine, path, column)
        if piece.below is not None and other.below is not None:
            head = [*self._head(pieces, path, column), *piece.own]
            inner = former.below if former is not None else None
            lines = self._mapping((below(base), mine, theirs), (inner or {}, piece.below, other.below), path)
            return [*head, *lines] if lines or not self._braces else [*head[:-1], head[-1].rstrip() + " {}\n"]
        if taken is Take.BELOW:
            raise UnsupportedError(f"{'.'.join(path)}: is not written in lines, as sops does")
        own = Piece(other.lines[other.head :], 0, other.column)
        body = piece.lines[piece.head :] if taken is Take.OURS else self._over(own, theirs, mine, path, column)
        return [*self._head(pieces, path, column), *body]

    def _conflict(self, values: Sequence[Any], pieces: Sequence[Piece | None], path: Path, column: int) -> list[str]:
        self.conflicts.append(path)
        own = pieces[1].lines if pieces[1] is not None else []
        sides = [(self._mine, own), (self._other, self._over(pieces[2], values[2], values[1], path, column))]
        if self._mine.name != "ours":
            sides.reverse()
        (ours, one), (their, two) = sides
        return [f"{MARKS[0]} {ours.name}\n", *one, f"{MARKS[1]}\n", *two, f"{MARKS[2]} {their.name}\n"]

    def _head(self, pieces: Sequence[Piece | None], path: Path, column: int) -> list[str]:
        """The comments above a key: of whichever side changed them; if both did, all of them."""
        former, piece, other = pieces
        if piece is None or other is None:
            return []
        own = piece.lines[: piece.head]
        base = _comments(self._base, former, path) if self._base is not None and former is not None else []
        mine, theirs = _comments(self._mine, piece, path), _comments(self._other, other, path)
        taken = decide(base, mine, theirs)
        if taken is Take.OURS:
            return own
        added = [line for line, text in zip(other.lines[: other.head], theirs, strict=True) if text not in mine]
        if taken is Take.THEIRS:
            added = other.lines[: other.head]
        over = self._over(Piece(added, 0, other.column), MISSING, MISSING, path, column)
        return [*own, *over] if taken is Take.NEITHER else over

    def _over(self, piece: Piece | None, tree: Any, mine: Any, path: Path, column: int) -> list[str]:
        """The other side's piece, for our data key; what is the same on our side is as it stands there."""
        if piece is None:
            return []
        text = "".join(piece.lines)
        places: set[Path] = {path[:-1], path}
        for at, leaf, former in _leaves(tree, mine, path):
            places |= {at, at[:-1]}
            if not leaf.cipher:
                continue
            if former is not None and former.cipher and former == leaf:
                text = text.replace(leaf.cipher, former.cipher)
            elif self._mine.key != self._other.key:
                text = text.replace(leaf.cipher, encrypt(leaf.plain, self._mine.key, aad(at)))
        if self._mine.key != self._other.key:
            text = _COMMENT.sub(lambda found: self._comment(found[0], places), text)
        return piece.shifted(text, column)

    def _comment(self, cipher: str, places: set[Path]) -> str:
        for place in places:
            try:
                plain = decrypt(cipher, self._other.key, aad(place))
            except SopsError:
                continue
            return encrypt(plain, self._mine.key, aad(place))
        return cipher


def _comments(side: Side, piece: Piece, path: Path) -> list[str]:
    """The comments above a key in plain text."""
    found = []
    for line in piece.comments:
        try:
            found.append(f"{line[0]}{decrypt(line[1:].strip(), side.key, aad(path[:-1])).value()}")
        except SopsError:
            found.append(line)  # it is not encrypted
    return found


def _leaves(tree: Any, mine: Any, path: Path) -> Iterator[tuple[Path, Leaf, Leaf | None]]:
    """The leaves of a tree, each with the one at the same place of ours."""
    if isinstance(tree, dict):
        for name, item in tree.items():
            yield from _leaves(item, mine.get(name) if isinstance(mine, dict) else None, (*path, name))
    elif isinstance(tree, list):
        same = mine if isinstance(mine, list) else []
        for at, item in enumerate(tree):
            yield from _leaves(item, same[at] if at < len(same) else None, path)
    elif tree is not MISSING:
        yield path, tree, mine if isinstance(mine, Leaf) else None
