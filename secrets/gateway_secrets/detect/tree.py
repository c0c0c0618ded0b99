"""Credentials in a decoded document, whatever it is: settings, values of a chart, a Kubernetes object."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import Any

import msgspec

from gateway_secrets.detect import kinds
from gateway_secrets.detect.addresses import is_user_and_password
from gateway_secrets.detect.formats import NAME_STARTS, token_as_name
from gateway_secrets.detect.hit import Hit
from gateway_secrets.detect.names import WEAK, Telling, plain_name, telling
from gateway_secrets.detect.paths import MASKED, Place
from gateway_secrets.detect.settings import kind_of
from gateway_secrets.detect.structure import Sealing, sealing
from gateway_secrets.detect.styles import Style
from gateway_secrets.detect.text import in_line, in_text

MAX_DEPTH = 100
"""What is nested deeper is looked at as text."""
_SHORT = 12
_LONG = 2000
# Worth a closer look, of a value whose name tells nothing.
_SUSPECT = re.compile(
    rf"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]{{20}})(?:{NAME_STARTS})"
    r"|://[^\s@]{1,310}@|@(?:tcp|udp|unix)?\(|LS0tLS1CRUdJTi|ENC\[|hook|curl|sshpass|login|mysql|redis-cli"
    r"|pass|PASS|Pass|ecret|SECRET|oken|TOKEN|[Kk]ey|KEY|[Aa]uth|AUTH|[Pp]wd|PWD|[Cc]red|CRED"
)
_SKIPPED = frozenset(("managedFields", "valueFrom", "openAPIV3Schema"))
_FLAG = re.compile(r"--?([A-Za-z][\w-]{1,60})\Z")

_decode = msgspec.json.Decoder().decode


def in_document(document: Any) -> list[Hit]:
    """The credentials in a document: dicts, lists, strings, as JSON has them."""
    walk = Walk()
    walk.node(document, None, "", "", 0)
    return walk.hits


class _Name(Enum):
    """What a name makes of its value; ``PLAIN``: nothing."""

    PLAIN = 0
    TELLING = 1
    SKIPPED = 2


@lru_cache(maxsize=8192)
def _of_name(name: str) -> _Name:
    if name in _SKIPPED:
        return _Name.SKIPPED
    if telling(name) is not Telling.NOTHING or name == "auth" or plain_name(name) in WEAK or token_as_name(name):
        return _Name.TELLING
    return _Name.PLAIN


class Walk:
    """Goes through a document. ``hits`` grows; two of one kind in one field are one."""

    def __init__(self) -> None:
        self.hits: list[Hit] = []
        self._seen: set[tuple[str, str]] = set()

    def add(self, hit: Hit) -> None:
        """Add a hit, unless there is one of its kind in its field."""
        if (hit.kind, hit.field) not in self._seen:
            self._seen.add((hit.kind, hit.field))
            self.hits.append(hit)

    def node(self, node: Any, place: Place | None, key: str, parent: str, depth: int) -> None:
        """A value and all below it; ``key``: what it is called, ``parent``: what the object around it is called."""
        if depth > MAX_DEPTH:
            self._text(msgspec.json.encode(node).decode(), place or Place(None, ""))
        elif isinstance(node, dict):
            self._members(node, place, key, depth)
        elif isinstance(node, list):
            self._elements(node, place, key, depth)
        elif isinstance(node, str) and place is not None:
            self.value(node, place, key, parent)

    def value(self, value: str, place: Place, key: str, parent: str) -> None:
        """One string."""
        strength = telling(key, parent)
        if "\n" in value.strip():
            self._embedded(value, place)
            return
        if len(value) > _LONG:
            self._embedded(value, place)
            self._named(value, place, key, parent, strength)
            return
        found = sealing(value)
        if found is Sealing.FAKE:
            self.add(Hit(kinds.FAKE_ENCRYPTED, str(place)))
        if found is not Sealing.NONE:
            return
        if value[:1] in "{[" and self._json(value, place):
            return
        before = len(self.hits)
        if len(value) >= _SHORT:
            for one in in_line(value):
                self.add(Hit(one.kind, str(place), 1, "its checksum is right" if one.checked else ""))
            if value.startswith("LS0tLS1CRUdJTi"):
                self._text(value, place)
        if len(self.hits) == before:
            self._named(value, place, key, parent, strength)

    def _named(self, value: str, place: Place, key: str, parent: str, strength: Telling) -> None:
        if key == "auth" and is_user_and_password(value):
            self.add(Hit(kinds.REGISTRY, str(place)))
        elif strength is not Telling.NOTHING:
            kind = kind_of(f"{parent}_{key}", value, strength)
            if kind:
                self.add(Hit(kind, str(place)))

    def _members(self, node: dict[str, Any], place: Place | None, key: str, depth: int) -> None:
        plain, of_name, suspect = _Name.PLAIN, _of_name, _SUSPECT.search
        for name, below in node.items():
            about = of_name(name)
            if about is plain:
                # By far most: nothing that its name tells.
                if below.__class__ is str:
                    if len(below) >= _SHORT and suspect(below):
                        self.value(below, Place(place, name), name, key)
                elif below.__class__ is dict:
                    self._descend(below, Place(place, name), name, depth)
                elif below.__class__ is list:
                    self._elements(below, Place(place, name), name, depth + 1)
            elif about is not _Name.SKIPPED:
                self._member(node, name, place, key, depth)

    def _descend(self, node: dict[str, Any], place: Place, key: str, depth: int) -> None:
        if depth >= MAX_DEPTH:
            self.node(node, place, key, "", depth + 1)
        else:
            self._members(node, place, key, depth + 1)

    def _member(self, node: dict[str, Any], name: str, place: Place | None, key: str, depth: int) -> None:
        """A member whose name says something, may be completed by what it is in, or is a token itself."""
        below = node[name]
        # A list of names and values says more than "value" does: env, parameters of charts.
        named = node.get("name", node.get("key")) if name == "value" else None
        token = token_as_name(name)
        if token:
            self.add(Hit(token, str(Place(place, MASKED))))
        called = named if isinstance(named, str) else name
        if isinstance(below, str):
            if _is_suspect(below, called, key):
                self.value(below, Place(place, MASKED if token else name), called, key)
        elif isinstance(below, dict | list):
            self.node(below, Place(place, MASKED if token else name), called, key, depth + 1)

    def _elements(self, node: list[Any], place: Place | None, key: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._text(msgspec.json.encode(node).decode(), place or Place(None, ""))
            return
        flag = ""
        for index, below in enumerate(node):
            if below.__class__ is str:
                # "--password", "value": a flag names what comes after it.
                if _is_suspect(below, flag or key, ""):
                    self.value(below, Place(place, (node, index)), flag or key, "")
                found = _FLAG.match(below)
                flag = found[1] if found else ""
            elif below.__class__ is dict:
                self._descend(below, Place(place, (node, index)), key, depth)
            elif below.__class__ is list:
                self._elements(below, Place(place, (node, index)), key, depth + 1)

    def _embedded(self, value: str, place: Place) -> None:
        if sealing(value) is Sealing.REAL:
            return
        if not (value.lstrip()[:1] in "{[" and self._json(value, place)):
            self._text(value, place)

    def _text(self, value: str, place: Place) -> None:
        for hit in in_text(value.encode(errors="replace"), Style.SETTINGS):
            field = f"{place}.{hit.field}" if hit.field else str(place)
            self.add(Hit(hit.kind, field, hit.line, hit.holds))

    def _json(self, value: str, place: Place) -> bool:
        """Whether it is JSON; then what is found in it is found in the field that holds it."""
        try:
            document = _decode(value)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return False
        inner = Walk()
        inner.node(document, place, "", "", 1)
        for hit in inner.hits:
            self.add(hit)
        return isinstance(document, dict | list)


def _is_suspect(value: str, key: str, parent: str) -> bool:
    """Whether a value is worth its place and a closer look."""
    if telling(key, parent) is not Telling.NOTHING or key == "auth":
        return True
    return len(value) >= _SHORT and _SUSPECT.search(value) is not None
