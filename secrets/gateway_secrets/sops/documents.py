"""SOPS files as trees of values in their order, which the MAC depends on; and their metadata.

What Python's readers might take for something else than Go's do is refused, and left to the sops program.
Source: github.com/getsops/sops v3, stores/{yaml,json,dotenv,ini}.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
_FLAT = re.compile(r"(\w+?)__list_(\d+)__map_(\w+)\Z")


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
    if raw.get("shamir_threshold") or len(raw.get("key_groups") or ()) > 1:
        raise UnsupportedError("its data key is split over key groups")
    if any(raw.get(f"{word}_comment_regex") for word in ("encrypted", "unencrypted")):
        raise UnsupportedError("comments decide what is encrypted in it")
    source = (raw.get("key_groups") or [raw])[0]
    age = source.get("age") or []
    others = tuple(name for name in ("kms", "gcp_kms", "azure_kv", "hc_vault", "hckms", "pgp") if source.get(name))
    try:
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
        )
    except (KeyError, TypeError, AttributeError):
        raise MalformedError("its SOPS metadata is incomplete") from None


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
    for line in (line.strip() for line in text.splitlines()):
        if not line or line[0] in "#;":
            continue
        header = _SECTION.match(line)
        if header:
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
    found: dict[str, Any] = {}
    for name, value in flat.items():
        match = _FLAT.match(name)
        if match is None:
            found[name] = value
            continue
        entries = found.setdefault(match[1], {})
        entries.setdefault(int(match[2]), {})[match[3]] = value
    return {
        key: [value[at] for at in sorted(value)] if isinstance(value, dict) else value for key, value in found.items()
    }


_READERS = {"yaml": _yaml, "json": _json, "dotenv": _dotenv, "ini": _ini, "binary": _json}
