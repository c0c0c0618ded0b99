"""Who reads what: the ExternalSecrets of each path, and the version that each path was last known to have. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from gateway.controllers.external.known import Index
from gateway.controllers.external.shared import Path
from gateway.kube import Key

_KIND, _NAMESPACE, _NAME, _WHOSE, _SORT, _WHAT, _VERSION, _POLICY = 0, 1, 2, 5, 6, 7, 8, 9


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changed: a key of a store, as ExternalSecrets name it, or below the store's mount. Without ``store``, of all."""

    key: str
    store: str = ""
    namespace: str = ""


class Uses:
    """Fed by what looks find."""

    def __init__(self) -> None:
        self._paths: dict[Key, tuple[Path, ...]] = {}
        self._users = Index()
        self._versions: dict[Path, str] = {}
        self._names: dict[Path, frozenset[str]] = {}

    def note(self, key: Key, paths: Mapping[Path, str], versions: Mapping[Path, str]) -> None:
        """An object reads these paths, each with the one name that its store has for it. ``versions``: as far as they are known."""
        before = self._paths.get(key, ())
        self._paths[key] = tuple(paths)
        self._users.put(key, before, tuple(paths))
        for path, name in paths.items():
            self._names[path] = frozenset((path[_WHAT], name))
        for path, version in versions.items():
            self._versions[path] = version
        self._clean(before)

    def forget(self, key: Key) -> None:
        """An object is no more."""
        before = self._paths.pop(key, ())
        self._users.put(key, before, ())
        self._clean(before)

    def users(self, path: Path) -> frozenset[Key]:
        """Those that read a path."""
        return self._users[path]

    def version(self, path: Path) -> str | None:
        """The version that was read last; None if that is not known."""
        return self._versions.get(path)

    def saw(self, path: Path, version: str) -> None:
        """A path has this version."""
        if path in self._names:
            self._versions[path] = version

    def polled(self) -> list[Path]:
        """The paths whose newest version is read."""
        return [path for path in self._names if path[_SORT] == "key" and not path[_VERSION] and path[_POLICY] == "None"]

    def changed(self, change: Change) -> list[Path]:
        """The paths that a change is about: the key itself, and searches that may find it."""
        return [path for path, names in self._names.items() if _of_store(path, change) and _is(path, names, change.key)]

    def _clean(self, paths: Iterable[Path]) -> None:
        for path in paths:
            if not self._users[path]:
                self._names.pop(path, None)
                self._versions.pop(path, None)


def store_of_path(path: Path) -> tuple[str, str, str, str]:
    """Kind, namespace and name of a path's store, and the namespace whose credentials it is read with, if that matters."""
    return path[_KIND], path[_NAMESPACE], path[_NAME], path[_WHOSE]


def key_of_path(path: Path) -> str:
    """What it reads of its store."""
    return path[_WHAT]


def _of_store(path: Path, change: Change) -> bool:
    return change.store in ("", path[_NAME]) and change.namespace in ("", path[_NAMESPACE], path[_WHOSE])


def _is(path: Path, names: frozenset[str], key: str) -> bool:
    if path[_SORT] == "find":
        return key.startswith(path[_WHAT])
    return key.strip("/") in names or key in names
