"""Where SealedSecrets go: one text for standard output, or files whose former content decides what is sealed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gateway_secrets.sealed.documents import read_documents
from gateway_secrets.sealed.edit import update
from gateway_secrets.sealed.errors import InputError
from gateway_secrets.sealed.files import Snapshot
from gateway_secrets.sealed.objects import KIND, Sealed, Secret, sealed_of
from gateway_secrets.sealed.render import Format, render
from gateway_secrets.sealed.sealing import Made, Sealing, merge_secret, seal_secret
from gateway_secrets.sealed.targets import Target

SealingOf = Callable[[Target], Sealing]


class Written(msgspec.Struct, frozen=True):
    """The new text of a file, and how many values in it are new and how many as they were.

    ``rewritten``: comments in the former text are lost.
    """

    text: str
    sealed: int = 0
    kept: int = 0
    rewritten: bool = False


def path_of(pattern: str, target: Target) -> Path:
    """The file of a target: ``{cluster}``, ``{namespace}`` and ``{name}`` in the pattern stand for the target's.

    Raises:
        InputError: the pattern has another name in braces.
    """
    names = {
        "cluster": target.cluster.entry.name,
        "namespace": target.secret.namespace or "cluster-wide",
        "name": target.secret.name,
    }
    try:
        return Path(pattern.format_map(names))
    except (KeyError, ValueError, IndexError, AttributeError):
        raise InputError("a file's name may hold {cluster}, {namespace} and {name}, no other braces") from None


def grouped(pattern: str, targets: Sequence[Target]) -> dict[Path, list[Target]]:
    """The targets by the files that they go into.

    Raises:
        InputError: two clusters' would go into one file.
    """
    files: dict[Path, list[Target]] = {}
    for target in targets:
        files.setdefault(path_of(pattern, target), []).append(target)
    for path, found in files.items():
        if len({target.cluster.entry.name for target in found}) > 1:
            raise InputError(f"{path}: would hold what is sealed for several clusters: put {{cluster}} into the name")
    return files


def listed(targets: Sequence[Target], sealing_of: SealingOf, output: Format) -> Iterator[str]:
    """Each SealedSecret as text; with several clusters in YAML, each one's first is headed by its name."""
    several, last = len({target.cluster.entry.name for target in targets}) > 1, ""
    for target in targets:
        text = render(seal_secret(target.secret, target.scope, sealing_of(target)).document, output)
        name = target.cluster.entry.name
        yield f"# cluster: {name}\n{text}" if several and name != last and output == "yaml" else text
        last = name


def replaced(former: Snapshot | None, targets: Sequence[Target], sealing_of: SealingOf, output: Format) -> Written:
    """A file that holds these SealedSecrets and nothing else. Values that did not change stay as they are in it.

    Raises:
        InputError: it holds something that is no SealedSecret: it is not written over.
    """
    text = _text(former)
    before = _objects(former.path, text) if former is not None else []
    known = {(one.namespace, one.name): one for one in (sealed_of(value, where=where) for where, value in before)}
    made = [
        seal_secret(
            target.secret, target.scope, sealing_of(target), known.get((target.secret.namespace, target.secret.name))
        )
        for target in targets
    ]
    documents = [one.document for one in made]
    if list(known) == [(target.secret.namespace, target.secret.name) for target in targets]:
        updated = update(text, [value for _, value in before], documents)
        return _written(updated.text, made, rewritten=updated.rewritten)
    return _written("".join(render(one, output) for one in documents), made, rewritten="#" in text)


def merged(
    former: Snapshot, secrets: Sequence[tuple[str, Secret]], sealing: Sealing, asked_scope: str | None
) -> Written:
    """A file with the values of Secrets put into the SealedSecrets that it holds; all else in it stays.

    Raises:
        InputError: it does not hold the one that a Secret is for, or that one has another scope.
    """
    text = _text(former)
    before = _objects(former.path, text)
    after = [value for _, value in before]
    known = [(i, sealed_of(value, where=place)) for i, (place, value) in enumerate(before) if value["kind"] == KIND]
    made = []
    for where, secret in secrets:
        index, target = _found(former.path, known, where, secret)
        if asked_scope is not None and asked_scope != target.scope:
            raise InputError(
                f"{former.path}: {target} is sealed {target.scope}; sealing one value {asked_scope} would make it unreadable"
            )
        one = merge_secret(secret, sealed_of(after[index], where=where), sealing)
        after[index] = one.document
        made.append(one)
    updated = update(text, [value for _, value in before], after)
    return _written(updated.text, made, rewritten=updated.rewritten)


def _found(path: Path, known: Sequence[tuple[int, Sealed]], where: str, secret: Secret) -> tuple[int, Sealed]:
    """The SealedSecret that a Secret belongs to; what the Secret leaves open fits any."""
    fitting = [
        (index, one)
        for index, one in known
        if secret.name in {"", one.name} and secret.namespace in {"", one.namespace}
    ]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(f"{one.namespace}/{one.name}" for _, one in known) or "none"
    asked = f"{secret.namespace or '*'}/{secret.name or '*'}"
    problem = "several SealedSecrets" if fitting else "no SealedSecret"
    raise InputError(f"{path}: holds {problem} for {where}, which is {asked} (it holds {names}; --name, --namespace)")


def _objects(path: Path, text: str) -> list[tuple[str, dict[str, Any]]]:
    """The objects in a file that is to be changed, each with its place."""
    found = []
    for document in read_documents(text.encode(), source=str(path)):
        where = f"{path}:{document.line}"
        if not isinstance(document.value, dict) or not isinstance(document.value.get("kind"), str):
            raise InputError(f"{where}: is no Kubernetes object: the file is left alone")
        found.append((where, document.value))
    return found


def _text(former: Snapshot | None) -> str:
    try:
        return former.data.decode() if former is not None else ""
    except UnicodeDecodeError:
        raise InputError(f"{former.path if former else ''}: is no UTF-8: the file is left alone") from None


def _written(text: str, made: Sequence[Made], *, rewritten: bool) -> Written:
    return Written(text, sum(len(one.sealed) for one in made), sum(len(one.kept) for one in made), rewritten)
