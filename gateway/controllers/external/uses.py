"""Who reads what, in which state each has it, and since when that is not good enough any more. Pure.

Objects that read one path and have the same refresh interval are a group: in each window of the path it is read once for all of
them. An object has one path that leads: when that one's window ends, the object is looked at. Of the other paths it follows:
they are read when their own windows end, and the object is looked at if they have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from gateway.controllers.external.known import Index
from gateway.controllers.external.names import Change, Names
from gateway.controllers.external.shared import Path
from gateway.kube import Key
from gateway_secrets.external.spec import StoreRef, store_ref
from gateway_secrets.stores.model import Find, Reference

_KIND, _NAME, _SORT, _WHAT, _VERSION, _POLICY = 0, 2, 6, 7, 8, 9

Group = tuple[Path, float]
"""A path, and a refresh interval in seconds."""


class Stamp(msgspec.Struct, frozen=True):
    """What was at a path: the version that its store gave it, if it gives any, and a digest that only this process can make;
    empty if it is not known.
    """

    version: str
    digest: bytes = b""

    def differs(self, newer: Stamp) -> bool:
        """Whether what is there now is another, or may be."""
        if self.digest and newer.digest:
            return self.digest != newer.digest
        return not self.version or self.version != newer.version


class Reads(msgspec.Struct, frozen=True):
    """What an object reads. ``paths``: each with the one name that its store has for it; the first one leads. ``stamps``: in
    which state it has them. ``interval``: seconds until they are read again, 0: they are not. ``whole``: all is known that it
    reads, and how it has it; else more may be known from before.
    """

    paths: Mapping[Path, str] = {}
    stamps: Mapping[Path, Stamp] = {}
    interval: float = 0.0
    whole: bool = False


class Uses:
    """Fed by what looks find. ``appeared`` is told of groups that are new."""

    def __init__(self) -> None:
        self.appeared: Callable[[Group], None] = lambda _: None
        self._reads: dict[Key, Reads] = {}
        self._users, self._followers = Index(), Index()
        self._names: dict[Path, str] = {}
        self._index = Names()
        self._changed: dict[Path, float] = {}

    def note(self, key: Key, reads: Reads) -> None:
        """An object reads this now."""
        before = self._reads.get(key, Reads())
        if not reads.whole:
            reads = _completed(reads, before)
        self._reads[key] = reads
        if (tuple(reads.paths.items()), reads.interval) != (tuple(before.paths.items()), before.interval):
            self._index_reads(key, before, reads)

    def forget(self, key: Key) -> None:
        """An object is no more."""
        before = self._reads.pop(key, None)
        if before is not None:
            self._index_reads(key, before, Reads())

    def whole(self, key: Key) -> bool:
        """Whether it is known what all an object reads."""
        return key in self._reads and self._reads[key].whole

    def users(self, path: Path) -> frozenset[Key]:
        """Those that read a path."""
        return self._users[path]

    def followers(self, group: Group) -> frozenset[Key]:
        """Those of a group that are not looked at for the end of its window alone."""
        return self._followers[group]

    def behind(self, path: Path, stamp: Stamp, keys: Iterable[Key]) -> list[Key]:
        """Those of the users that have another state of a path than this, or may have. From now on they are taken to have it:
        whoever asks looks at them.
        """
        found = []
        for key in sorted(keys):
            reads = self._reads.get(key)
            if reads is None or path not in reads.paths:
                continue
            has = reads.stamps.get(path)
            if has is None or has.differs(stamp):
                found.append(key)
                self._reads[key] = msgspec.structs.replace(reads, stamps={**reads.stamps, path: stamp})
        return found

    def outdate(self, path: Path, at: float) -> None:
        """What was read of a path before, seconds since the epoch, is not good enough any more."""
        if path in self._names:
            self._changed[path] = at

    def outdated_at(self, path: Path) -> float:
        """When that was last; if never, before all times."""
        return self._changed.get(path, float("-inf"))

    def polled(self) -> list[Path]:
        """The paths whose newest version is read."""
        return [path for path in self._names if path[_SORT] == "key" and not path[_VERSION] and path[_POLICY] == "None"]

    def changed(self, change: Change) -> list[Path]:
        """The paths that a change is about: the key itself, and searches that may find it."""
        return self._index.about(change)

    def _index_reads(self, key: Key, before: Reads, after: Reads) -> None:
        self._users.put(key, tuple(before.paths), tuple(after.paths))
        following = _following(after)
        new = [group for group in following if group not in self._followers]
        self._followers.put(key, _following(before), following)
        for path in before.paths:
            if path not in self._users:
                self._index.drop(path, self._names.pop(path))
                self._changed.pop(path, None)
        for path, name in after.paths.items():
            if path not in self._names:
                self._names[path] = name
                self._index.put(path, name)
        for group in new:
            self.appeared(group)


def ref_of_path(path: Path) -> StoreRef:
    """The store that it is read from."""
    return store_ref(path[_NAME], path[_KIND])


def identity_of_path(path: Path) -> tuple[str, ...]:
    """Of its store, as it is when it is read for whoever reads the path."""
    return path[:_SORT]


def key_of_path(path: Path) -> str:
    """What it reads of its store."""
    return path[_WHAT]


def asked_of_path(path: Path) -> Reference | Find:
    """What a store is asked for it."""
    what, first, second = path[_WHAT:]
    if path[_SORT] == "find":
        return Find(what, first, msgspec.json.decode(second, type=dict[str, str]))
    return Reference(what, version=first, metadata_policy="Fetch" if second == "Fetch" else "None")


def policy_of_path(path: Path) -> str:
    """Whether it is the value, ``None``, or what is known of it; of a search, nothing of both."""
    return path[_POLICY] if path[_SORT] == "key" else ""


def _following(reads: Reads) -> tuple[Group, ...]:
    return tuple((path, reads.interval) for path in list(reads.paths)[1:]) if reads.interval > 0 else ()


def _completed(reads: Reads, before: Reads) -> Reads:
    """With what is known from before, if that was about the same: what searches found, and states, newer than what Secrets say."""
    whole = before.whole and bool(reads.paths) and all(path in before.paths for path in reads.paths)
    paths = {**reads.paths, **before.paths} if whole else reads.paths
    stamps = {path: stamp for path, stamp in {**reads.stamps, **before.stamps}.items() if path in paths}
    return Reads(paths, stamps, reads.interval, whole)
