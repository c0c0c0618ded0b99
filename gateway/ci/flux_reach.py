"""Which files of a checkout a Flux Kustomization applies: as the kustomize controller builds its ``spec.path``.

Source: fluxcd/pkg kustomize/kustomize_generator.go: without a kustomization in the folder one is made of all manifests
below it, in which folders with a kustomization of their own stand for that.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from gateway.ci.inputs import Problem, read_content
from gateway.config.yaml import read_yaml
from gateway.core.errors import ConfigError

_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_MANIFESTS = (".yaml", ".yml")
_LISTS = ("resources", "bases", "components", "crds", "patchesStrategicMerge")
_MAX_FILES = 20_000


class Reached:
    """What is found below the root of a checkout; nothing outside of it is looked at, links included."""

    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(root)
        self._seen: set[str] = set()

    def files(self, path: str) -> list[str]:
        """The files, each once; ``path``: the Kustomization's ``spec.path``. None for a folder that is not there."""
        folder = self._within(self._root, path.lstrip("/") or ".")
        if folder is None or not os.path.isdir(folder):  # noqa: PTH112 - many; no Path object for each
            return []
        self._seen = set()
        return [name for name in self._folder(folder) if os.path.isfile(name)]  # noqa: PTH113 - the same

    def _folder(self, folder: str) -> Iterator[str]:
        if folder in self._seen:
            return
        self._seen.add(folder)
        names = sorted(os.listdir(folder))  # noqa: PTH208 - the same
        own = next((name for name in _NAMES if name in names), None)
        if own is not None:
            yield from self._named(folder, f"{folder}/{own}")
            return
        for name in names:
            at = None if name.startswith(".") else self._within(folder, name)
            if at is not None and os.path.isdir(at):  # noqa: PTH112 - the same
                yield from self._folder(at)
            elif at is not None and name.endswith(_MANIFESTS):
                yield from self._file(at)

    def _named(self, folder: str, kustomization: str) -> Iterator[str]:
        content = read_content(kustomization, named=False)
        if isinstance(content, Problem):
            return
        try:
            document = read_yaml(content.data.decode(errors="replace"), source=kustomization)
        except ConfigError:
            return  # kustomize says so itself
        for name in _names(document):
            at = None if "://" in name or "\n" in name else self._within(folder, name)
            if at is not None and os.path.isdir(at):  # noqa: PTH112 - the same
                yield from self._folder(at)
            elif at is not None:
                yield from self._file(at)

    def _file(self, path: str) -> Iterator[str]:
        if path not in self._seen and len(self._seen) < _MAX_FILES:
            self._seen.add(path)
            yield path

    def _within(self, folder: str, name: str) -> str | None:
        try:
            found = os.path.realpath(os.path.join(folder, name))  # noqa: PTH118 - the same
        except ValueError:
            return None
        return found if found == self._root or found.startswith(f"{self._root.rstrip('/')}/") else None


def _names(document: Any) -> Iterator[str]:
    """What a kustomization names: files and folders."""
    if not isinstance(document, dict):
        return
    for field in _LISTS:
        yield from (name for name in _list(document.get(field)) if isinstance(name, str))
    for patch in _list(document.get("patches")):
        if isinstance(patch, dict) and isinstance(patch.get("path"), str):
            yield patch["path"]
    for generator in _list(document.get("secretGenerator")):
        if isinstance(generator, dict):
            sources = [*_list(generator.get("envs")), generator.get("env"), *_list(generator.get("files"))]
            yield from (name.rpartition("=")[2] for name in sources if isinstance(name, str))


def _list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()
