"""Which paths a change is about, without a look at those that it is not about. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.controllers.external.shared import Path

_NAMESPACE, _NAME, _WHOSE, _SORT, _WHAT = 1, 2, 5, 6, 7


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changed: a key of a store, as ExternalSecrets name it, or below the store's mount. Without ``store``, of all."""

    key: Annotated[str, Meta(max_length=2_048)]
    store: Annotated[str, Meta(max_length=253)] = ""
    namespace: Annotated[str, Meta(max_length=63)] = ""


class Names:
    """Paths by the names that changes may have for them: keys by theirs, searches by what they begin with."""

    def __init__(self) -> None:
        self._keys = _Named()
        self._finds = _Named()
        self._lengths: Counter[int] = Counter()

    def put(self, path: Path, name: str) -> None:
        """A path is read; ``name`` is the one that its store has for it. It may be there already."""
        if path[_SORT] != "find":
            for one in {path[_WHAT], name}:
                self._keys.put(one, path)
        elif self._finds.put(path[_WHAT], path):
            self._lengths[len(path[_WHAT])] += 1

    def drop(self, path: Path, name: str) -> None:
        """It is not read any more."""
        if path[_SORT] != "find":
            for one in {path[_WHAT], name}:
                self._keys.drop(one, path)
        elif self._finds.drop(path[_WHAT], path):
            self._lengths[len(path[_WHAT])] -= 1
            if not self._lengths[len(path[_WHAT])]:
                del self._lengths[len(path[_WHAT])]

    def about(self, change: Change) -> list[Path]:
        """The paths that a change is about: the key itself, and searches that may find it."""
        key = change.key
        found: dict[Path, None] = {}
        for name in dict.fromkeys((key, key.strip("/"))):
            found |= self._keys.of(name, change.namespace)
        for length in self._lengths:
            if length <= len(key):
                found |= self._finds.of(key[:length], change.namespace)
        return [path for path in found if change.store in ("", path[_NAME])]


class _Named:
    """Paths by a name, then by the namespace that their store is in, or is asked for."""

    def __init__(self) -> None:
        self._paths: dict[str, dict[str, dict[Path, None]]] = {}

    def put(self, name: str, path: Path) -> bool:
        """Whether it is new."""
        paths = self._paths.setdefault(name, {}).setdefault(path[_WHOSE] or path[_NAMESPACE], {})
        new = path not in paths
        paths[path] = None
        return new

    def drop(self, name: str, path: Path) -> bool:
        """Whether it was there."""
        places = self._paths.get(name, {})
        paths = places.get(path[_WHOSE] or path[_NAMESPACE], {})
        if path not in paths:
            return False
        del paths[path]
        if not paths:
            del places[path[_WHOSE] or path[_NAMESPACE]]
        if not places:
            del self._paths[name]
        return True

    def of(self, name: str, namespace: str) -> dict[Path, None]:
        """The paths of a name; of one namespace, if one is given."""
        places = self._paths.get(name, {})
        if namespace:
            return places.get(namespace, {})
        return {path: None for paths in places.values() for path in paths}
