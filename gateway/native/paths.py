"""Paths into JSON documents as gjson resolves them, and patterns as Go's ``regexp`` (RE2) reads them.

Tenants write both: what a path may multiply is bounded, and RE2 takes linear time.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.native.library import call, frames
from gateway.native.manifests import unframed


def get(document: bytes, path: str) -> bytes | None:
    """The text of what ``path`` leads to: strings unquoted, anything else as JSON; None if it leads nowhere.

    Raises:
        NativeError: the document is not JSON (code ``json``), or the path is too long or repeats too much (``path``).
        NativeMissingError: there is no native library.
    """
    found = call("paths.get", frames((document, path.encode("utf-8", "replace"))))
    return found[1:] if found[:1] == b"\x01" else None


def matching(pattern: str, texts: Sequence[str]) -> list[str]:
    """Those of ``texts`` that the pattern is found in.

    Raises:
        NativeError: it is no pattern (code ``pattern``).
        NativeMissingError: there is no native library.
    """
    found = call("paths.match", frames(text.encode("utf-8", "replace") for text in (pattern, *texts)))
    return [text for text, hit in zip(texts, found, strict=True) if hit]


def replaced(pattern: str, target: str, texts: Sequence[str]) -> list[str]:
    """Each of ``texts`` with all that the pattern finds in it replaced: by ``target``, where ``$1`` and ``${name}`` are groups.

    Raises:
        NativeError: it is no pattern, or makes too much (code ``pattern``).
        NativeMissingError: there is no native library.
    """
    found = call("paths.replace", frames(text.encode("utf-8", "replace") for text in (pattern, target, *texts)))
    return [part.decode("utf-8", "replace") for part in unframed(found)]
