"""One thing that an object will have fetched."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gateway.core.subject import Json
from gateway.native.semver import Rules
from gateway.provenance.versions import Versions

Kind = Literal["config", "chart", "package", "image"]
_OCI = "oci://"


class Repository(msgspec.Struct, frozen=True):
    """A Flux HelmRepository that an object names: its URL has to be looked up."""

    namespace: str
    name: str


class ArgoRepository(msgspec.Struct, frozen=True):
    """A repository's URL as an Argo CD Application states it, and the Application's project: Argo CD may know how to log
    in there.
    """

    url: str
    project: str = ""


class Fetch(msgspec.Struct, frozen=True):
    """``reference`` as the object states it, without ``oci://``; ``field`` is where.

    ``mutable``: why the same reference may stand for something else tomorrow. ``versions``: the range that says which version
    of ``reference``, which has no tag then. ``later``: it will be told by another object, which is judged itself.
    ``through``: the repository whose URL belongs before ``reference``. What it is fetched by is beside the object, or beside
    ``through``: ``secrets``, names of pull secrets; ``account``, of a ServiceAccount that has some; ``login``, of a Secret
    that may hold a user's name and password for the registry; ``certificates``, of one for TLS. ``argo``: the repository
    that Argo CD is to know of.
    """

    kind: Kind
    reference: str
    field: str
    mutable: str = ""
    versions: Versions | None = None
    later: str = ""
    through: Repository | None = None
    secrets: tuple[str, ...] = ()
    account: str = ""
    login: str = ""
    certificates: str = ""
    argo: ArgoRepository | None = None


def is_oci(url: str) -> bool:
    """Whether Flux and Argo CD would fetch it from a registry."""
    return url.startswith(_OCI)


def text(value: Any) -> str:
    """A string, or what a careless author wrote for one (a number), or nothing."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def section(document: Any, *path: str) -> Json:
    """The object at a path; empty where there is none."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def reference_of(document: Any, name: str) -> str:
    """The name of another object that the object at ``name`` refers to; empty for none."""
    return text(section(document, name).get("name"))


def items(document: Any, name: str) -> list[Json]:
    """The objects in a list; empty where there is none."""
    found = document.get(name) if isinstance(document, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def pinned(repository: str, revision: str, *, default: str = "latest") -> tuple[str, str]:
    """The reference to a tag or a digest of a repository, and why it is mutable if it is."""
    repository = repository.removeprefix(_OCI).rstrip("/")
    tag, at, digest = revision.partition("@")
    if at or tag.startswith("sha256:"):
        return f"{repository}@{digest or tag}", ""
    return f"{repository}:{tag or default}", f"the tag {tag or default} can be moved"


def ranged(repository: str, text: str, rules: Rules, only: str = "") -> tuple[str, str, Versions]:
    """The same of a range of versions, and the range."""
    versions = Versions(text, rules, only)
    return (
        repository.removeprefix(_OCI).rstrip("/"),
        f"the range {versions} may stand for another version later",
        versions,
    )


def chart_reference(repository: str, version: str, rules: Rules) -> tuple[str, str, Versions | None]:
    """The same of a Helm chart, and the range if its version is one. A version's ``+`` is ``_`` in a tag."""
    if version.startswith("sha256:") or "@" in version:
        return (*pinned(repository, version), None)
    if not is_exact(version):
        return ranged(repository, version, rules)
    return (*pinned(repository, version.replace("+", "_")), None)


def is_exact(version: str) -> bool:
    """Whether a chart's version is one version, and no range of them."""
    parts = version.removeprefix("v").partition("+")[0].partition("-")[0].split(".")
    return len(parts) == 3 and all(part.isascii() and part.isdigit() for part in parts) and " " not in version  # noqa: PLR2004
