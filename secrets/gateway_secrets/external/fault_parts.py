"""What is checked of several kinds of objects: names, patterns, templates, unknown fields; and errors as faults.

Pure, but for patterns and templates, which Go's own parsers read in the native library.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gateway.core.errors import GovgateError
from gateway.core.finding import Action
from gateway.native import paths
from gateway.native.library import NativeError
from gateway.native.templates import TemplateError, check_templates
from gateway_secrets.external.faults import Fault
from gateway_secrets.external.fields import unknown_fields
from gateway_secrets.external.renderer import DIALECT
from gateway_secrets.external.spec import Rewrite

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_FIELD = re.compile(r"[A-Za-z]\w*(\[[^\]]*\])?(\.[A-Za-z]\w*(\[[^\]]*\])?)*")
_MAX_NAME = 253
NEWER = "leave it out, unless a newer version of ESO has it: then govgate does not heed it"


def is_key(text: str) -> bool:
    """Whether it can be a key of a Secret: letters, digits, ``-_.``; at most 253; not ``.``, nor beginning with ``..``."""
    return _KEY.fullmatch(text) is not None and text != "." and not text.startswith("..")


def is_name(text: str) -> bool:
    """Whether an object can be called so (RFC 1123, subdomain)."""
    return len(text) <= _MAX_NAME and _NAME.fullmatch(text) is not None


def is_label(text: str) -> bool:
    """Whether a namespace can be called so (RFC 1123, label)."""
    return _LABEL.fullmatch(text) is not None


def named(text: str, where: str, what: str = "an object") -> Iterator[Fault]:
    """A fault, if it is no name."""
    if not is_name(text):
        yield Fault("malformed", where, f"is no name of {what}", "use small letters, digits, - and .")


def pattern(text: str, where: str) -> Iterator[Fault]:
    """A fault, if RE2 does not read it."""
    if text:
        try:
            paths.matching(text, ())
        except NativeError as error:
            yield Fault("pattern", where, str(error)[:300], "write it in RE2's syntax")


def template(text: str, where: str) -> Iterator[Fault]:
    """A fault, if it is no template."""
    if "{{" in text:
        try:
            check_templates([text], dialect=DIALECT)
        except TemplateError as error:
            yield Fault("template", where, str(error)[:300], "it is a template of Go, with sprig and ESO's functions")


def rewrite_faults(rewrite: Rewrite, where: str) -> Iterator[Fault]:
    """Faults of an item of ``rewrite``."""
    if [rewrite.regexp, rewrite.transform, rewrite.merge].count(None) != 2:  # noqa: PLR2004 - one of three
        yield Fault("rewrite", where, "needs exactly one of regexp, transform and merge", "make an item of each")
    if rewrite.regexp is not None:
        yield from pattern(rewrite.regexp.source, f"{where}.regexp.source")
    if rewrite.transform is not None:
        yield from template(rewrite.transform.template, f"{where}.transform.template")
    if rewrite.merge is not None and rewrite.merge.strategy == "JSON" and not rewrite.merge.into:
        yield Fault("rewrite", f"{where}.merge.into", "is missing, and strategy JSON needs it", "name the key")


def unknown(document: Any, kind: type, where: str, *, rule: str = "unknown-field") -> Iterator[Fault]:
    """A fault for each field that is not one of a type's. One that cannot but be a mistake is denied; another one may be newer
    than what is known here.
    """
    for one in unknown_fields(document, kind, where):
        if one.nearest:
            yield Fault(rule, one.field, f"is no field: {one.nearest} is meant", f"write {one.nearest}")
        elif one.belongs:
            yield Fault(rule, one.field, f"is no field here: it is {one.belongs}", "put it there")
        else:
            action = Action.WARN if rule == "unknown-field" else Action.DENY
            yield Fault(rule, one.field, "is not known here", NEWER, action)


def fault_of(error: GovgateError, rule: str, remedy: str, *, here: bool = False) -> Fault:
    """An error whose text is ``field: message`` or ``field: message: remedy``, the field in several parts or one."""
    parts = str(error).split(": ")
    fields: list[str] = []
    while len(parts) > 1 and _FIELD.fullmatch(parts[0]):
        fields.append(parts.pop(0))
    message, *rest = parts
    return Fault(rule, ".".join(fields) or "spec", message[:300], ": ".join(rest)[:300] or remedy, here=here)
