"""SOPS files as trees of values in their order, which the MAC depends on; and their metadata.

What Python's readers might take for something else than Go's do is refused, and left to the sops program.
Source: github.com/getsops/sops v3, stores/{yaml,json,dotenv,ini}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
import yaml

from gateway_secrets.sops.errors import MalformedError, NotSopsError, UnsupportedError

Format = Literal["yaml", "json", "dotenv", "ini", "binary"]
SUFFIXES: dict[str, Format] = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".env": "dotenv", ".ini": "ini"}
MAX_BYTES = 16 * 1024 * 1024

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?\Z")
_DOUBTFUL = re.compile(r"[-+.]?[0-9][0-9A-Za-z_:.+-]*(?:[ T].*)?\Z|[-+]?\.(?:inf|nan)\Z", re.IGNORECASE)
_SECTION = re.compile(r"\[([^\]]+)\]\s*\Z")
_STEP = re.compile(r"__(list|map)_")
_MAX_STEPS = 8


class Metadata(msgspec.Struct, frozen=True):
    """What SOPS notes in a file, as far as reading needs it. ``age``: armored data keys by their recipients."""

    mac: str
    lastmodified: str
    age: tuple[tuple[str, str], ...] = ()
    unencrypted_suffix: str = ""
    encrypted_suffix: str = ""
    unencrypted_regex: str = ""
    encrypted_regex: str = ""
    mac_only_encrypted: bool = False
    others: tuple[str, ...] = ()
    """Other kinds of keys that the data key is encrypted for: ``kms``, ``pgp``, …."""
    split: bool = False
    """Whether the data key is split over key groups, which only the sops program puts together."""
    keys: frozenset[str] = frozenset()
    """Every key that the data key is encrypted for: recipients, ARNs, addresses, fingerprints."""


class SopsFile(msgspec.Struct, frozen=True):
    """A file: its documents as lists of names and values, in order; the values as they stand."""

    documents: tuple[dict[str, Any], ...]
    metadata: Metadata


def format_of(path: str) -> Format:
    """By the name, as SOPS does; what it does not know is binary."""
    name = path.rpartition("/")[2]
    return SUFFIXES.get("." + name.rpartition(".")[2], "binary")


def read(data: bytes, form: Format) -> SopsFile:
    """Read a file.

    Raises:
        NotSopsError: it has no SOPS metadata.
        MalformedError: it cannot be read.
        UnsupportedError: only the sops program can.
    """
    if len(data) > MAX_BYTES:
        raise UnsupportedError(f"larger than {MAX_BYTES} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise NotSopsError("is not UTF-8: not encrypted by SOPS") from None
    documents = _READERS[form](text)
    raw: Any = None
    for document in documents:
        found = document.pop("sops", None)
        raw = raw if raw is not None else found
    if not isinstance(raw, Mapping):
        raise NotSopsError("has no SOPS metadata: it is not encrypted")
    return SopsFile(tuple(documents), _metadata(raw))


def sops_of(data: bytes, form: Format) -> Mapping[str, Any]:
    """The metadata of a file that :func:`read` takes, as they stand."""
    found: Any = next((document["sops"] for document in _READERS[form](data.decode()) if document.get("sops")), {})
    return found if isinstance(found, Mapping) else {}


def _metadata(raw: Mapping[str, Any]) -> Metadata:
    if any(raw.get(f"{word}_comment_regex") for word in ("encrypted", "unencrypted")):
        raise UnsupportedError("comments decide what is encrypted in it")
    try:
        groups = raw.get("key_groups") or [raw]
        age = [entry for group in groups for entry in group.get("age") or []]
        others = tuple(name for name in KINDS if any(group.get(name) for group in groups))
        return Metadata(
            mac=raw["mac"],
            lastmodified=str(raw["lastmodified"]),
            age=tuple((entry["recipient"], entry["enc"]) for entry in age),
            unencrypted_suffix=raw.get("unencrypted_suffix") or "",
            encrypted_suffix=raw.get("encrypted_suffix") or "",
            unencrypted_regex=raw.get("unencrypted_regex") or "",
            encrypted_regex=raw.get("encrypted_regex") or "",
            mac_only_encrypted=str(raw.get("mac_only_encrypted") or "").lower() == "true",
            others=others,
            split=len(groups) > 1,  # one group is not split, whatever the threshold
            keys=frozenset(key for group in groups for key in _keys(group)),
        )
    except (KeyError, TypeError, AttributeError):
        raise MalformedError("its SOPS metadata is incomplete") from None


def _keys(group: Mapping[str, Any]) -> list[str]:
    """The keys of a group, as ``.sops.yaml`` writes them."""
    return [name(entry) for kind, name in (("age", _recipient), *KINDS.items()) for entry in group.get(kind) or []]


def _recipient(entry: Mapping[str, str]) -> str:
    return entry["recipient"]


def _transit(entry: Mapping[str, str]) -> str:
    engine = entry["engine_path"].strip("/")
    return f"{entry['vault_address'].rstrip('/')}/v1/{engine}/keys/{entry['key_name']}"


def _azure(entry: Mapping[str, str]) -> str:
    return f"{entry['vault_url'].rstrip('/')}/keys/{entry['name']}"  # the newest version, if a rule names none


KINDS: dict[str, Callable[[Mapping[str, str]], str]] = {
    "kms": lambda entry: entry["arn"],
    "gcp_kms": lambda entry: entry["resource_id"],
    "azure_kv": _azure,
    "hc_vault": _transit,
    "hckms": lambda entry: entry["key_id"],
    "pgp": lambda entry: entry["fp"],
}
"""Kinds of keys but for age, and how ``.sops.yaml`` writes one. Source: sops v3, stores/stores.go and the packages of its keys."""


def _yaml(text: str) -> list[dict[str, Any]]:
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.CSafeLoader))
        found = [_node(node, 0) for node in nodes]
    except yaml.YAMLError:
        raise MalformedError("is not readable as YAML") from None
    except RecursionError:
        raise MalformedError("is nested too deeply") from None
    if not all(isinstance(one, dict) for one in found):
        raise NotSopsError("is no mapping: not encrypted by SOPS")
    return found


_MAX_DEPTH = 100


def _node(node: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise MalformedError("is nested too deeply, or within itself")
    if isinstance(node, yaml.SequenceNode):
        return [_node(item, depth + 1) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        members: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in members or key.tag.endswith(":merge"):
                raise UnsupportedError("has keys that are no plain texts, or are there twice")
            members[key.value] = _node(value, depth + 1)
        return members
    return _scalar(node)


def _scalar(node: Any) -> Any:
    text: str = node.value
    if node.style or node.tag == "!":
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return Doubtful(text) if _DOUBTFUL.match(text) else text


class Doubtful(str):
    """A scalar without quotes that Go may read as a number or a time; it may be a key's, or in the metadata."""

    __slots__ = ()


def _json(text: str) -> list[dict[str, Any]]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise MalformedError("is not readable as JSON") from None
    if not isinstance(found, dict):
        raise NotSopsError("is no JSON object: not encrypted by SOPS")
    return [_floats(found)]


def _floats(value: Any) -> Any:
    """SOPS reads every number of JSON as a 64-bit float."""
    if isinstance(value, dict):
        return {key: _floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _dotenv(text: str) -> list[dict[str, Any]]:
    values: dict[str, Any] = {}
    flat: dict[str, str] = {}
    for line in text.split("\n"):
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise NotSopsError("has a line without =: not encrypted by SOPS as dotenv")
        if name.startswith("sops_"):
            flat[name.removeprefix("sops_")] = value.replace("\\n", "\n")
        elif name in values:
            raise UnsupportedError("has a key twice")
        else:
            values[name] = value.replace("\\n", "\n")
    return [values | ({"sops": _unflattened(flat)} if flat else {})]


def _ini(text: str) -> list[dict[str, Any]]:
    sections: dict[str, Any] = {"DEFAULT": {}}
    current: dict[str, str] = sections["DEFAULT"]
    for line in (line.strip() for line in text.split("\n")):
        if not line or line[0] in "#;":
            continue
        header = _SECTION.match(line)
        if header:
            if sections.get(header[1]):
                raise UnsupportedError("has a section twice")
            current = sections.setdefault(header[1], {})
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or ":" in name or name in current or value[:1] in {'"', "'", "`"} or value.endswith("\\"):
            raise UnsupportedError("has lines that INI readers read differently")
        current[name] = value
    if "sops" in sections:
        sections["sops"] = _unflattened({key: value.replace("\\n", "\n") for key, value in sections["sops"].items()})
    return [sections]


def _unflattened(flat: Mapping[str, str]) -> dict[str, Any]:
    """``age__list_0__map_enc`` and the like, as the mappings and lists that they stand for."""
    found: dict[str, Any] = {}
    for name, value in flat.items():
        first, *steps = _STEP.split(name)
        if len(steps) > 2 * _MAX_STEPS:
            raise MalformedError("its SOPS metadata are nested too deeply")
        at, last = found, first
        for kind, step in zip(steps[::2], steps[1::2], strict=True):
            at = at.setdefault(last, {})
            if not isinstance(at, dict) or (kind == "list" and not step.isdecimal()):
                raise MalformedError("its SOPS metadata contradict themselves")
            last = f"#{step}" if kind == "list" else step
        at[last] = value
    return {name: _listed(value) for name, value in found.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(name.startswith("#") for name in value):
        return [_listed(value[name]) for name in sorted(value, key=lambda name: int(name[1:]))]
    return {name: _listed(item) for name, item in value.items()}


_READERS = {"yaml": _yaml, "json": _json, "dotenv": _dotenv, "ini": _ini, "binary": _json}
