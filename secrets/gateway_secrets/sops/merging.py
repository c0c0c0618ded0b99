"""Two SOPS files merged key by key: values are compared in plain text, in memory, and written as ciphertext only.

The file of one side is kept, with its data key and recipients: ours, but for when only the other side changed these. Of
the other side, what changed is taken over, encrypted for that data key at its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway_secrets.sops.documents import Metadata, SopsFile, read, sops_of
from gateway_secrets.sops.errors import MalformedError, SopsError, UnsupportedError
from gateway_secrets.sops.identities import Identity
from gateway_secrets.sops.opened import data_key, open_file, read_values
from gateway_secrets.sops.pieces import Piece, cut
from gateway_secrets.sops.selection import Encrypted, selection
from gateway_secrets.sops.threeway import MISSING, Take, below, decide, merge, names
from gateway_secrets.sops.values import Plain, aad, decrypt, encrypt, plain_bytes

_COMMENT = re.compile(r"ENC\[AES256_GCM,[^\]\n]*,type:comment\]")
_MODIFIED = re.compile(r"^(\s+lastmodified:).*$", re.MULTILINE)
_VOLATILE = frozenset(("enc", "created_at", "mac", "lastmodified", "version"))
_MARKS = ("<<<<<<<", "=======", ">>>>>>>")

Path = tuple[str, ...]


class Merged(NamedTuple):
    """The new file, and the paths of what both sides changed: it stands there twice, encrypted, between markers."""

    data: bytes
    conflicts: list[str]


class Leaf:
    """A value in plain text and as it stands; equal to another if the plain text is."""

    __slots__ = ("cipher", "plain")

    def __init__(self, plain: Plain, cipher: str = "") -> None:
        self.plain = plain
        self.cipher = cipher

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Leaf) and self.plain == other.plain

    __hash__ = None  # type: ignore[assignment]


class _Side(msgspec.Struct, frozen=True):
    name: str
    text: str
    metadata: Metadata
    key: bytes
    terms: Any
    """What the file's metadata state, but for what changes with every writing."""
    trees: list[dict[str, Any]]


def merge_files(base: bytes, ours: bytes, theirs: bytes, identities: Sequence[Identity], now: str) -> Merged:
    """Merge YAML files. ``base``: empty, if there is none. ``now``: RFC 3339, in UTC, with seconds.

    Raises:
        SopsError: one of them is not whole, cannot be opened, or only a person can tell what becomes of it.
    """
    mine, other = _side("ours", ours, identities), _side("theirs", theirs, identities)
    origin = _side("base", base, identities) if base.strip() else None
    if origin is not None and _keys(mine) == _keys(origin) != _keys(other):
        mine, other = other, mine
    elif mine.terms != other.terms and (origin is None or other.terms != origin.terms):
        raise UnsupportedError("both sides changed the recipients: bring one to those of the other by sops updatekeys")
    if _selecting(mine.metadata) != _selecting(other.metadata):
        raise UnsupportedError("one side changed what is encrypted in it: do the same on the other side first")
    trees = origin.trees if origin is not None else [{} for _ in mine.trees]
    if not len(trees) == len(mine.trees) == len(other.trees):
        raise UnsupportedError("one side changed the number of documents")
    merger = _Merger(mine, other, origin)
    first = cut(origin.text) if origin is not None else [{} for _ in trees]
    pieces = zip(first, cut(mine.text), cut(other.text), strict=True)
    parts = [
        merger.document((tree, mine.trees[at], other.trees[at]), three)
        for at, (tree, three) in enumerate(zip(trees, pieces, strict=True))
    ]
    text = "---\n".join(parts)
    conflicts = [".".join(path) for path in merger.conflicts]
    if conflicts:
        return Merged(text.encode(), conflicts)
    if text == mine.text:
        return Merged(text.encode(), [])
    data = finish(text.encode(), mine.key, now)
    wanted = [merge(*three)[0] for three in zip(trees, mine.trees, other.trees, strict=True)]
    if _trees(read(data, "yaml"), mine.key) != wanted:
        raise UnsupportedError("is not written as sops writes YAML: run sops rotate on each side first")
    return Merged(data, [])


def finish(data: bytes, key: bytes, now: str) -> bytes:
    """A file with the MAC of the values that it holds now.

    Raises:
        SopsError: a value is not one that was encrypted with this key, at this place.
    """
    file = read(data, "yaml")
    _, digest = read_values(file, key)
    mac = encrypt(Plain(digest.encode(), "str"), key, now)
    parts: list[str] = []
    for part in data.decode().replace(file.metadata.mac, mac).split("\nsops:\n"):
        parts.append(_MODIFIED.sub(rf'\1 "{now}"', part, count=1) if parts else part)
    new = "\nsops:\n".join(parts).encode()
    made = read(new, "yaml")
    if made.metadata.mac != mac or made.metadata.lastmodified != now or made.documents != file.documents:
        raise UnsupportedError("its metadata are not written as sops writes them")
    return new


def finish_file(data: bytes, identities: Sequence[Identity], now: str) -> bytes:
    """As :func:`finish`, for a file whose conflicts a person has settled.

    Raises:
        SopsError: it cannot be opened, conflicts are left in it, or a value is not what was encrypted at its place.
    """
    if any(line.startswith(_MARKS[::2]) for line in data.decode(errors="replace").splitlines()):
        raise MalformedError("has conflicts that are not settled: choose a side at each, and take the markers out")
    return finish(data, data_key(read(data, "yaml").metadata, identities), now)


def _side(name: str, data: bytes, identities: Sequence[Identity]) -> _Side:
    try:
        file = read(data, "yaml")
        open_file(file, identities)
        key = data_key(file.metadata, identities)
        trees = _trees(file, key)
        return _Side(name, data.decode(), file.metadata, key, _stated(sops_of(data, "yaml")), trees)
    except SopsError as error:
        raise type(error)(f"{name}: {error}") from None


def _keys(side: _Side) -> tuple[bytes, Any]:
    return side.key, side.terms


def _stated(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _stated(item) for name, item in value.items() if name not in _VOLATILE and item not in (None, [], "")
        }
    return [_stated(item) for item in value] if isinstance(value, list) else value


def _selecting(metadata: Metadata) -> Metadata:
    return msgspec.structs.replace(metadata, mac="", lastmodified="", age=(), others=())


def _trees(file: SopsFile, key: bytes) -> list[dict[str, Any]]:
    encrypted = selection(file.metadata)
    return [
        {name: _tree(value, (name,), key, encrypted) for name, value in document.items()} for document in file.documents
    ]


def _tree(value: Any, path: Path, key: bytes, encrypted: Encrypted) -> Any:
    if isinstance(value, dict):
        return {name: _tree(item, (*path, name), key, encrypted) for name, item in value.items()}
    if isinstance(value, list):
        return [_tree(item, path, key, encrypted) for item in value]
    if value is None:
        return Leaf(Plain(b"", "null"))
    if encrypted(path):
        return Leaf(decrypt(value, key, aad(path)), value)
    return Leaf(Plain(plain_bytes(value), type(value).__name__))


class _Merger:
    """Puts the text of a file together; ``conflicts`` grows with each. Of three things: the base's, ours, the other's."""

    def __init__(self, mine: _Side, other: _Side, base: _Side | None) -> None:
        self._mine = mine
        self._other = other
        self._base = base
        self.conflicts: list[Path] = []

    def document(self, trees: Sequence[Mapping[str, Any]], pieces: Sequence[Mapping[str, Piece]]) -> str:
        """The text of a document."""
        return "".join(self._mapping(trees, pieces, ()) + pieces[1]["sops"].lines)

    def _mapping(
        self, trees: Sequence[Mapping[str, Any]], pieces: Sequence[Mapping[str, Piece]], path: Path
    ) -> list[str]:
        column = next(iter(pieces[1].values())).column
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
            chosen = piece.lines if piece is not None else self._over(other, theirs, mine, path, column)
            return chosen if (mine if taken is Take.OURS else theirs) is not MISSING else []
        if piece.below is not None and other.below is not None:
            head = [*self._head(pieces, path, column), piece.lines[piece.head]]
            inner = former.below if former is not None else None
            lines = self._mapping((below(base), mine, theirs), (inner or {}, piece.below, other.below), path)
            return [*head, *lines] if lines else [*head[:-1], head[-1].rstrip() + " {}\n"]
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
        return [f"{_MARKS[0]} {ours.name}\n", *one, f"{_MARKS[1]}\n", *two, f"{_MARKS[2]} {their.name}\n"]

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


def _comments(side: _Side, piece: Piece, path: Path) -> list[str]:
    """The comments above a key in plain text."""
    found = []
    for line in piece.comments:
        try:
            found.append(f"#{decrypt(line[1:], side.key, aad(path[:-1])).value()}")
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
