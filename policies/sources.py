"""Where rules come from: built-in sets, folders, bundles. Read whole, or refused whole."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gateway.config.files import read_bounded
from gateway.config.policy import BundleKey, Policy
from gateway.config.yaml import read_yaml
from gateway.core.errors import ConfigError
from gateway.core.subject import Json
from gateway.native.inspect import Key, read_bundle
from gateway.native.library import NativeError
from gateway.provenance.oci.reference import SCHEME
from policies.engine import Diagnostic, Module, RulesError
from policies.metadata import rule_info

LIBRARY = Path(__file__).parent / "library"
BUILTIN = "builtin:"
CLUSTER_GATEKEEPER = "cluster:gatekeeper"
"""Templates and constraints that a connected cluster holds; read by the server alone."""

MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_BUNDLE_BYTES = 64 * 1024 * 1024
MAX_FILES = 20_000

_TEXTS = frozenset((".yaml", ".yml", ".json"))
_DATA = frozenset(("data.json", "data.yaml", "data.yml"))


class Source(msgspec.Struct, frozen=True):
    """What a source holds: Rego, base documents, and YAML files that may state rules of other engines."""

    modules: tuple[Module, ...] = ()
    data: dict[str, Any] = {}
    documents: tuple[tuple[str, bytes], ...] = ()
    """Path and content of the other YAML and JSON files."""


def read_sources(
    names: Sequence[str],
    keys: Sequence[BundleKey] = (),
    held: Sequence[Json] | None = None,
    fetched: Mapping[str, bytes] | None = None,
) -> Source:
    """Everything that the named sources hold. A file that several of them hold is taken once.

    Args:
        names: ``builtin:SET``, a folder or file, or an OPA bundle (``.tar.gz``, ``oci://…``).
        keys: if there are any, bundles must be signed by one of them.
        held: templates, constraints and expansions of a cluster, as they were captured; None where they were not.
        fetched: the bundles of the sources in registries, verified; see :mod:`policies.registry_bundles`.

    Raises:
        ConfigError: a source is not there or cannot be read, or two of them define the same base document.
        RulesError: the METADATA of a rule is wrong.
    """
    modules: dict[str, Module] = {}
    documents: dict[str, bytes] = {}
    data: dict[str, Any] = {}
    for name in names:
        source = _held(held) if name == CLUSTER_GATEKEEPER else _read(name, keys, fetched or {})
        modules |= {module.path: module for module in source.modules}
        documents |= dict(source.documents)
        _merge(data, source.data, name)
    return Source(tuple(modules.values()), data, tuple(documents.items()))


def source_files(policy: Policy) -> list[str]:
    """The files and folders that the rules are read from, as they are now: whoever watches them sees every change."""
    found = [key.file for key in policy.bundle_keys]
    for name in policy.sources:
        if name.startswith((BUILTIN, SCHEME)) or name == CLUSTER_GATEKEEPER:
            continue
        found.append(name)
        if Path(name).is_dir():
            found += [str(path) for path in _files(Path(name))]
    return found


def builtin_sets() -> dict[str, list[str]]:
    """The rules of each built-in set, by their ids."""
    sets: dict[str, list[str]] = {}
    for module in read_folder(LIBRARY).modules:
        info = rule_info(module)
        for name in info.sets if info is not None else ():
            sets.setdefault(name, []).append(info.id if info is not None else "")
    return {name: sorted(ids) for name, ids in sorted(sets.items())}


def read_folder(folder: Path, *, tests: bool = False) -> Source:
    """The rules below a folder, without ``tests`` those left out; ``data.json`` and ``data.yaml`` become base documents where they lie.

    Raises:
        ConfigError: it cannot be read, or holds too much.
    """
    if not folder.exists():
        raise ConfigError(f"{folder}: there is no such folder of rules")
    root = folder if folder.is_dir() else folder.parent
    modules: list[Module] = []
    documents: list[tuple[str, bytes]] = []
    data: dict[str, Any] = {}
    for path in _files(folder):
        shown = str(path)
        if path.suffix == ".rego":
            if tests or not path.name.endswith("_test.rego"):
                modules.append(Module(shown, _text(path)))
        elif path.name in _DATA:
            below = read_yaml(_text(path), source=shown)
            for part in reversed(path.parent.relative_to(root).parts):
                below = {part: below}
            _merge(data, below if isinstance(below, dict) else {}, shown)
        elif path.suffix in _TEXTS:
            documents.append((shown, _bytes(path)))
    return Source(tuple(modules), data, tuple(documents))


def _read(name: str, keys: Sequence[BundleKey], fetched: Mapping[str, bytes]) -> Source:
    if name.startswith(BUILTIN):
        return _builtin(name.removeprefix(BUILTIN))
    if name.startswith(SCHEME):
        if name not in fetched:
            raise ConfigError(f"{name}: the bundle was not fetched")
        return _bundle(name, fetched[name], keys)
    if name.endswith((".tar.gz", ".tgz")):
        return _bundle(name, _bytes(Path(name), MAX_BUNDLE_BYTES), keys)
    return read_folder(Path(name))


def _held(documents: Sequence[Json] | None) -> Source:
    if documents is None:
        raise ConfigError(
            f"{CLUSTER_GATEKEEPER}: these rules are in the cluster: capture them (govgate check --capture-context), or name"
            " others by --policies"
        )
    stream = b"\n---\n".join(map(msgspec.json.encode, documents))
    return Source(documents=((CLUSTER_GATEKEEPER, stream),))


def _bundle(path: str, content: bytes, keys: Sequence[BundleKey]) -> Source:
    known = {key.id: Key(_text(Path(key.file)), key.algorithm, key.scope) for key in keys}
    try:
        read = read_bundle(content, known)
    except NativeError as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None
    modules = (Module(f"{path}{module.path}", module.text, 1 if module.version else 0) for module in read.modules)
    return Source(tuple(modules), read.data or {})


def _builtin(name: str) -> Source:
    everything = read_folder(LIBRARY)
    chosen: list[Module] = []
    known: set[str] = set()
    for module in everything.modules:
        info = rule_info(module)
        if info is None or name == "all" or name in info.sets:
            chosen.append(module)
        known.update(info.sets if info is not None else ())
    if name != "all" and name not in known:
        raise ConfigError(f"{BUILTIN}{name}: there is no such built-in set; there are {', '.join(sorted(known))}, all")
    shown = [Module(f"{BUILTIN}{Path(m.path).relative_to(LIBRARY)}", m.text, m.version) for m in chosen]
    return Source(tuple(shown))


def _files(folder: Path) -> Iterator[Path]:
    """Regular files in stable order; hidden ones are left out (so is ``..data`` of a mounted ConfigMap: its files show)."""
    if not folder.is_dir():
        yield folder
        return
    count = 0
    for directory, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(directory, name)
            if name.startswith(".") or not path.is_file():
                continue
            count += 1
            if count > MAX_FILES:
                raise ConfigError(f"{folder}: more than {MAX_FILES} files")
            yield path


def _bytes(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    return read_bounded(path, max_bytes=limit)


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError as error:
        raise RulesError([Diagnostic(str(path), 0, 0, "encoding", f"not UTF-8 at byte {error.start}")]) from None


def _merge(into: dict[str, Any], below: dict[str, Any], where: str) -> None:
    for key, value in below.items():
        known = into.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            _merge(known, value, where)
        elif key in into and known != value:
            raise ConfigError(f"{where}: the base document {key} is there already, with another value")
        else:
            into[key] = value
