"""Plaintext Secrets in a file, each turned into a SealedSecret where it stands; the rest of the file stays byte for byte.

What is not certain to be right is left alone, and said: Secrets in Lists, in templates, partly encrypted ones, and those
whose values are filled in elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from gateway.native.manifests import Document, read_files
from gateway_secrets.detect import in_object
from gateway_secrets.detect.kinds import KUBERNETES_SECRET
from gateway_secrets.detect.structure import Sealing, sealing
from gateway_secrets.detect.values import refers
from gateway_secrets.sealed.errors import InputError, SealError
from gateway_secrets.sealed.objects import Secret, check_secret, secret_of
from gateway_secrets.sealed.render import render

Seal = Callable[[Secret], Mapping[str, Any]]
"""A Secret in, the SealedSecret's document out."""

_decode = msgspec.json.Decoder().decode


class Fixed(msgspec.Struct):
    """The new content. ``sealed``: which Secrets were; ``left``: why others were not, each with its line."""

    data: bytes
    sealed: list[str] = []
    left: list[str] = []


def fix(path: str, data: bytes, seal: Seal) -> Fixed:
    """Seal what can be in one file.

    Raises:
        NativeMissingError: there is no library that reads YAML.
    """
    (file,) = read_files([data])
    if file.problem is not None:
        return Fixed(data, left=[f"{path}:{file.problem.line}: nothing is sealed in a file that is not all readable"])
    fixed = Fixed(data)
    parts: list[bytes] = []
    at = 0
    for document in file.documents:
        secret = _secret(path, document, fixed)
        if secret is None:
            continue
        start, end = _extent(data, document.line)
        is_json = data[start:end].lstrip()[:1] == b"{"
        if is_json and len(file.documents) > 1:
            fixed.left.append(f"{path}:{document.line}: is one of several JSON documents: seal it by govgate seal")
            continue
        text = render(seal(secret), "json" if is_json else "yaml").removeprefix("---\n")
        parts += [data[at:start], text.encode()]
        at = end
        fixed.sealed.append(f"Secret {secret.namespace}/{secret.name}" if secret.namespace else f"Secret {secret.name}")
    fixed.data = b"".join((*parts, data[at:]))
    return fixed


def _secret(path: str, document: Document, fixed: Fixed) -> Secret | None:
    """The Secret of a document, if it is one that has to be sealed and can be."""
    value = _decode(document.json)
    where = f"{path}:{document.line}"
    kind = value.get("kind") if isinstance(value, dict) else None
    if str(kind).endswith("List") and b'"Secret"' in document.json:
        fixed.left.append(f"{where}: Secrets in a List are not sealed in place: govgate seal {path}")
    if kind != "Secret" or not any(hit.kind == KUBERNETES_SECRET for hit in in_object(value)):
        return None
    try:
        secret = secret_of(value, where=where)
        check_secret(secret, where=where)
        _check_fixable(secret, path, where)
    except SealError as error:
        fixed.left.append(str(error))
        return None
    return secret


def _check_fixable(secret: Secret, path: str, where: str) -> None:
    if not secret.namespace:
        raise InputError(f"{where}: names no namespace, and is sealed for one: govgate seal {path} -n NAMESPACE")
    texts = [text.decode(errors="replace") for text in secret.values.values()]
    if any(refers(text) or sealing(text) is not Sealing.NONE for text in texts):
        raise InputError(f"{where}: some of its values are encrypted, or filled in elsewhere: seal it by hand")


def _extent(data: bytes, line: int) -> tuple[int, int]:
    """Where a document's content begins and ends: from its first line to the next line of ``---``, or the end."""
    start = 0
    for _ in range(line - 1):
        start = data.find(b"\n", start) + 1
    end = data.find(b"\n---", start)
    return start, len(data) if end < 0 else end + 1
