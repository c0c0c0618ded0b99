"""The folder that a call of Kyverno works in: private, in memory where that can be had, gone afterwards.

Objects may hold a Secret's values: they go nowhere else, and no other user can read them.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gateway.core.subject import Json, UserInfo
from policies.kyverno.policy import WITNESS

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder below it, made for this user alone
# YAML 1.1 does not take these as they are, and folds those that end lines; JSON takes both forms.
_NOT_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_CLI = "cli.kyverno.io/v1alpha1"

_WITNESS = {
    "apiVersion": "kyverno.io/v1",
    "kind": "ClusterPolicy",
    "metadata": {"name": WITNESS, "annotations": {"pod-policies.kyverno.io/autogen-controllers": "none"}},
    "spec": {
        "background": False,
        "rules": [
            {
                "name": "seen",
                "match": {"any": [{"resources": {"kinds": ["*"]}}]},
                "validate": {
                    "message": "-",
                    "deny": {"conditions": {"any": [{"key": "a", "operator": "Equals", "value": "b"}]}},
                },
            }
        ],
    },
}


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for the time of a call."""
    base = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="govgate-kyverno-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_policies(folder: Path, documents: Sequence[Json]) -> list[str]:
    """One file a policy, and that of the witness; the arguments that name them."""
    names = [f"policy-{index}.yaml" for index in range(len(documents))]
    for name, document in zip(names, documents, strict=True):
        _write(folder / name, [document])
    _write(folder / "witness.yaml", [_WITNESS])
    return [*names, "witness.yaml"]


def write_objects(folder: Path, objects: Sequence[Json]) -> list[str]:
    """The objects to judge."""
    _write(folder / "objects.yaml", objects)
    return ["--resource", "objects.yaml"]


def write_exceptions(folder: Path, exceptions: Sequence[Json]) -> list[str]:
    """The exceptions to honour."""
    if not exceptions:
        return []
    _write(folder / "exceptions.yaml", exceptions)
    return ["--exceptions", "exceptions.yaml"]


def write_context(folder: Path, namespaces: Sequence[Json], user: UserInfo | None) -> list[str]:
    """What is known around the objects: their Namespaces, and who asks."""
    known = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": _reduced(namespace.get("metadata") or {})}
        for namespace in namespaces
    ]
    _write(folder / "values.yaml", [{"apiVersion": _CLI, "kind": "Values", "namespaces": known}])
    arguments = ["--values-file", "values.yaml"]
    if user is not None:
        told = {"apiVersion": _CLI, "kind": "UserInfo", "userInfo": msgspec.to_builtins(user)}
        _write(folder / "user.yaml", [told])
        arguments += ["--userinfo", "user.yaml"]
    return arguments


def _reduced(metadata: Json) -> Json:
    return {key: metadata[key] for key in ("name", "labels", "annotations") if metadata.get(key)}


def _write(path: Path, documents: Sequence[Json]) -> None:
    """YAML documents, each one line of JSON."""
    texts = (_NOT_YAML.sub(_escaped, msgspec.json.encode(document).decode()) for document in documents)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
        for text in texts:
            file.write(f"---\n{text}\n")


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
