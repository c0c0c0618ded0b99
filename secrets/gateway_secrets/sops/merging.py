"""Two SOPS files merged key by key: values are compared in plain text, in memory, and written as ciphertext only.

The file of one side is kept, with its data key and recipients: ours, but for when only the other side changed these. Of
the other side, what changed is taken over, encrypted for that data key at its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway_secrets.sops.documents import Format, Metadata, read, sops_of
from gateway_secrets.sops.errors import MalformedError, UnsupportedError
from gateway_secrets.sops.flat_pieces import cut_dotenv, cut_ini
from gateway_secrets.sops.merged_json import merge_json
from gateway_secrets.sops.merged_lines import MARKS, LineMerger
from gateway_secrets.sops.opened import read_values
from gateway_secrets.sops.pieces import Piece, cut
from gateway_secrets.sops.sides import Keys, Side, open_side, trees_of
from gateway_secrets.sops.threeway import merge
from gateway_secrets.sops.values import Plain, encrypt

_CUTS: Mapping[str, Callable[[str], list[dict[str, Piece]]]] = {"yaml": cut, "dotenv": cut_dotenv, "ini": cut_ini}
_MODIFIED = {
    "yaml": re.compile(r"(\nsops:\n(?:[ -].*\n)*?[ ]+lastmodified: )(.*)"),
    "json": re.compile(r'("sops": ?\{[^\0]*"lastmodified": ?)("[^"]*")'),
    "dotenv": re.compile(r"(^sops_lastmodified=)(.*)", re.MULTILINE),
    "ini": re.compile(r"(^\[sops\]$[^\0]*?^lastmodified *= *)(.*)", re.MULTILINE),
}
_QUOTED = frozenset(("yaml", "json", "binary"))
_WHOLE = "both sides changed it, and it is encrypted as a whole: choose one by git checkout --ours, or --theirs"


class Merged(NamedTuple):
    """The new file, and the paths of what both sides changed: it stands there twice, encrypted, between markers."""

    data: bytes
    conflicts: list[str]


def merge_files(base: bytes, ours: bytes, theirs: bytes, keys: Keys, now: str, form: Format = "yaml") -> Merged:  # noqa: PLR0917
    """Merge files of one format. ``base``: empty, if there is none. ``now``: RFC 3339, in UTC, with seconds.

    Raises:
        SopsError: one of them is not whole, cannot be opened, or only a person can tell what becomes of it.
    """
    mine = open_side("ours", ours, form, keys)
    origin = open_side("base", base, form, keys) if base.strip() else None
    known = mine.metadata.keys | (origin.metadata.keys if origin is not None else frozenset())
    other = open_side("theirs", theirs, form, keys, known)
    if origin is not None and _lock(mine) == _lock(origin) != _lock(other):
        mine, other = other, mine
    elif mine.terms != other.terms and (origin is None or other.terms != origin.terms):
        raise UnsupportedError("both sides changed the recipients: bring one to those of the other by sops updatekeys")
    if _selecting(mine.metadata) != _selecting(other.metadata):
        raise UnsupportedError("one side changed what is encrypted in it: do the same on the other side first")
    trees = origin.trees if origin is not None else [{"DEFAULT": {}} if form == "ini" else {} for _ in mine.trees]
    if not len(trees) == len(mine.trees) == len(other.trees):
        raise UnsupportedError("one side changed the number of documents")
    three = list(zip(trees, mine.trees, other.trees, strict=True))
    text, paths = _text(form, mine, other, origin, three)
    conflicts = [".".join(path) for path in paths]
    if conflicts and form == "binary":
        raise UnsupportedError(_WHOLE)
    if conflicts or text == mine.text:
        return Merged(text.encode(), conflicts)
    data = finish(text.encode(), mine.key, now, form)
    wanted = [merge(*one)[0] for one in three]
    made = trees_of(read(data, form), mine.key)
    if made != wanted and not (form == "ini" and _filled(made) == _filled(wanted)):
        raise UnsupportedError("is not written as sops writes it: run sops rotate on each side first")
    return Merged(data, [])


def _text(
    form: Format, mine: Side, other: Side, base: Side | None, trees: Sequence[tuple[Any, Any, Any]]
) -> tuple[str, Sequence[tuple[str, ...]]]:
    if form in {"json", "binary"}:
        return merge_json(mine, other, trees[0][0])
    divided = _CUTS[form]
    merger = LineMerger(mine, other, base, braces=form == "yaml")
    first = divided(base.text) if base is not None else [{} for _ in trees]
    pieces = zip(first, divided(mine.text), divided(other.text), strict=True)
    parts = [merger.document(three, cuts) for three, cuts in zip(trees, pieces, strict=True)]
    return "---\n".join(parts), merger.conflicts


def _filled(documents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Without sections that nothing is in: INI has them, or not, all the same."""
    return [{name: item for name, item in document.items() if item != {}} for document in documents]


def finish(data: bytes, key: bytes, now: str, form: Format = "yaml") -> bytes:
    """A file with the MAC of the values that it holds now.

    Raises:
        SopsError: a value is not one that was encrypted with this key, at this place.
    """
    file = read(data, form)
    _, digest = read_values(file, key)
    mac = encrypt(Plain(digest.encode(), "str"), key, now)
    pattern = _MODIFIED["json" if form == "binary" else form]
    said = f'"{now}"' if form in _QUOTED else now
    text = data.decode().replace(file.metadata.mac, mac)
    new = pattern.sub(lambda found: found[1] + said, text).encode()
    made = read(new, form)
    if made.metadata.mac != mac or made.metadata.lastmodified != now or made.documents != file.documents:
        raise UnsupportedError("its metadata are not written as sops writes them")
    return new


def finish_file(data: bytes, keys: Keys, now: str, form: Format = "yaml") -> bytes:
    """As :func:`finish`, for a file whose conflicts a person has settled.

    Raises:
        SopsError: it cannot be opened, conflicts are left in it, or a value is not what was encrypted at its place.
    """
    if any(line.startswith(MARKS[::2]) for line in data.decode(errors="replace").splitlines()):
        raise MalformedError("has conflicts that are not settled: choose a side at each, and take the markers out")
    return finish(data, keys.open(read(data, form).metadata, sops_of(data, form)), now, form)


def _lock(side: Side) -> tuple[bytes, Any]:
    return side.key, side.terms


def _selecting(metadata: Metadata) -> Metadata:
    return msgspec.structs.replace(metadata, mac="", lastmodified="", age=(), others=(), keys=frozenset(), split=False)
