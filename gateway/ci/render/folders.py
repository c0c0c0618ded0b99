"""Which folders are rendered, and which files belong to one: those are not judged as they lie.

A kustomization that another one builds upon is rendered as a part of it, and not by itself.
Source: https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from gateway.config.yaml import read_yaml
from gateway.core.errors import ConfigError

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
CHART = "Chart.yaml"
MAX_BYTES = 1024 * 1024

_LISTS = ("resources", "bases", "components", "crds", "transformers", "generators", "validators", "configurations")
_PATCHES = ("patches", "patchesJson6902", "replacements")
_GENERATORS = ("configMapGenerator", "secretGenerator")


class Folder(msgspec.Struct, frozen=True):
    """A folder that is rendered, as it was named or found; ``file`` is what makes it one."""

    path: str
    file: str
    tool: Literal["kustomize", "helm"]


class Folders(msgspec.Struct, frozen=True):
    """What lies below a folder. ``parts``: real paths of files and folders that belong to what is rendered.

    ``below``: by the real path of each folder that is rendered, the real paths of all that it is made from.
    """

    rendered: dict[str, Folder]
    parts: frozenset[str]
    below: dict[str, frozenset[str]]

    def belongs(self, path: str) -> bool:
        """Whether a file is a part of what is rendered."""
        if not self.parts:
            return False
        real = os.path.realpath(path)
        return real in self.parts or any(str(parent) in self.parts for parent in Path(real).parents)

    def concerned(self, folder: Folder, changed: frozenset[str]) -> bool:
        """Whether one of the changed files (real paths) is among what a folder is made from."""
        made_from = self.below[os.path.realpath(folder.path)]
        return any(path in made_from or any(str(p) in made_from for p in Path(path).parents) for path in changed)


def folders_below(root: str, *, folded: frozenset[str]) -> Folders:
    """The folders below ``root``, itself included, that are rendered. ``folded``: names that are not looked into."""
    found: dict[str, Folder] = {}
    references: dict[str, frozenset[str]] = {}
    for folder in _walk(root, folded):
        real = os.path.realpath(folder.path)
        found[real] = folder
        references[real] = frozenset({real}) if folder.tool == "helm" else _references(folder)
    kustomizations = {real for real, folder in found.items() if folder.tool == "kustomize"}
    based_on = {part for real, parts in references.items() for part in parts if part != real}
    rendered = {real: folder for real, folder in found.items() if real not in based_on}
    parts = frozenset(part for parts in references.values() for part in parts) - kustomizations
    below = {real: _closure(real, references) - kustomizations for real in rendered}
    return Folders(rendered, parts, below)


def _walk(root: str, folded: frozenset[str]) -> Iterator[Folder]:
    for directory, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in folded)
        kustomization = next((name for name in KUSTOMIZATIONS if name in names), None)
        if CHART in names:
            folders.clear()  # its own dependencies, and templates that are no YAML
            yield Folder(directory, os.path.join(directory, CHART), "helm")  # noqa: PTH118 - "./x" stays "./x"
        elif kustomization is not None:
            yield Folder(directory, os.path.join(directory, kustomization), "kustomize")  # noqa: PTH118


def _closure(real: str, references: dict[str, frozenset[str]]) -> frozenset[str]:
    seen: set[str] = set()
    waiting = [real]
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += references.get(one, frozenset())
    return frozenset(seen)


def _references(folder: Folder) -> frozenset[str]:
    """Real paths of what a kustomization names, its own file included; of one that cannot be read, that alone."""
    own = os.path.realpath(folder.file)
    try:
        with open(folder.file, "rb") as file:  # noqa: PTH123 - the path as it was found
            document = read_yaml(file.read(MAX_BYTES).decode(errors="replace"), source=folder.file)
    except (OSError, ConfigError):
        return frozenset({own})
    names = set(_named(document)) if isinstance(document, dict) else set()
    base = Path(os.path.realpath(folder.path))
    return frozenset({own, *(os.path.realpath(base / name) for name in names if "://" not in name)})


def _named(document: dict[str, Any]) -> Iterator[str]:
    for key in _LISTS:
        yield from (name for name in _list(document, key) if isinstance(name, str))
    yield from (name for name in _list(document, "patchesStrategicMerge") if isinstance(name, str) and "\n" not in name)
    for key in _PATCHES:
        yield from (one["path"] for one in _list(document, key) if isinstance(one, dict) and _text(one.get("path")))
    for key in _GENERATORS:
        for one in _list(document, key):
            if isinstance(one, dict):
                files = [*_list(one, "files"), *_list(one, "envs"), one.get("env")]
                yield from (name.rpartition("=")[2] for name in files if isinstance(name, str) and name)


def _list(document: dict[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    return value if isinstance(value, list) else []


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
