"""Secrets from what a person has: manifests, or single values given as ``kubectl create secret generic`` takes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from gateway_secrets.sealed.documents import objects, read_documents
from gateway_secrets.sealed.errors import InputError
from gateway_secrets.sealed.files import STDIN, read_input
from gateway_secrets.sealed.objects import Secret, check_key, secret_of

_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


class Values(msgspec.Struct, frozen=True):
    """``--from-literal KEY=VALUE``, ``--from-file [KEY=]PATH``, ``--from-env-file PATH``, each in the order given."""

    literals: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.literals or self.files or self.env_files)

    def __repr__(self) -> str:
        return f"Values({len(self.literals)} literals, {self.files}, {self.env_files})"


def read_secrets(name: str) -> list[tuple[str, Secret]]:
    """The Secrets in a file or on standard input, each with where it stands.

    Raises:
        InputError: something in it is no Secret, or there is none.
        FileError: it cannot be read.
    """
    source = "standard input" if name == STDIN else name
    found = [
        (f"{source}:{document.line}", secret_of(value, where=f"{source}:{document.line}"))
        for document in read_documents(read_input(name), source=source)
        for value in objects(document, source=source)
    ]
    if not found:
        raise InputError(f"{source}: holds no Secret")
    return found


def read_values(values: Values) -> dict[str, bytes]:
    """The values by key.

    Raises:
        InputError: a key is there twice, or cannot be one; an env file cannot be read as one.
        FileError: a file cannot be read.
    """
    found: dict[str, bytes] = {}
    for key, value in _all(values):
        check_key(key, where="the value")
        if key in found:
            raise InputError(f"the key {key} is given twice")
        found[key] = value
    return found


def _all(values: Values) -> Iterator[tuple[str, bytes]]:
    for literal in values.literals:
        key, equals, value = literal.partition("=")
        if not equals or not key:
            raise InputError("--from-literal takes KEY=VALUE")
        yield key, value.encode(errors="surrogateescape")
    for word in values.files:
        yield from _from_file(word)
    for name in values.env_files:
        yield from _from_env(name)


def _from_file(word: str) -> Iterator[tuple[str, bytes]]:
    key, equals, name = word.partition("=")
    if not equals:
        key, name = "", word
    if name == STDIN:
        if not key:
            raise InputError("--from-file KEY=- : standard input has no name of its own to be the key")
        yield key, read_input(STDIN)
        return
    path = Path(name)
    if key and not path.exists():  # a value by mistake, perhaps: it is not shown
        raise InputError(f"--from-file {key}=…: there is no such file (a value is given by --from-literal)")
    if not path.is_dir():
        yield key or path.name, read_input(name)
        return
    if key:
        raise InputError(f"--from-file {word}: is a folder: its files' names are the keys")
    for file in sorted(path.iterdir()):
        if file.is_file():
            yield file.name, read_input(str(file))


def _from_env(name: str) -> Iterator[tuple[str, bytes]]:
    """Lines ``KEY=VALUE`` as kubectl reads them: no quotes, ``#`` begins a comment only at the start of a line."""
    try:
        lines: Sequence[str] = read_input(name).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{name}: is no UTF-8") from None
    for number, line in enumerate(lines, start=1):
        text = line.lstrip()
        if not text or text.startswith("#"):
            continue
        key, equals, value = text.partition("=")
        if not equals or _ENV_NAME.fullmatch(key) is None:
            raise InputError(f"{name}:{number}: is not KEY=VALUE")
        yield key, value.encode()
