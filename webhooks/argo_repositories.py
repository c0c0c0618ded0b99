"""Argo CD's repository Secrets: whose credentials it fetches by, as far as what it fetches comes from registries.

One of the type ``repository`` is for one URL, of one project or of all; one of the type ``repo-creds`` for all URLs that
begin with its own, the longest going before. Source: Argo CD's operator manual, declarative setup.

Differently from Argo CD, a URL that ends inside of a host's name is about no host: ``ghcr.io`` is no beginning of
``ghcr.io.example.com/x``, to whose owner the password would go.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from urllib.parse import quote

import msgspec

from gateway.core.errors import ClusterError, UndecidedError
from gateway.core.subject import Json
from gateway.kube import KubeClient
from gateway.provenance.oci.credentials import Credential
from gateway.provenance.oci.tls import Material
from webhooks.secret_data import decoded
from webhooks.sources.fetch import ArgoRepository, items, section, text

LABEL = "argocd.argoproj.io/secret-type"
REPOSITORY, TEMPLATE = "repository", "repo-creds"
_PAGE = 250
_MAX_PAGES = 20


class Entry(msgspec.Struct, frozen=True):
    """What one Secret says. ``project``: empty for all."""

    kind: str
    url: str
    project: str = ""
    credential: Credential | None = None
    tls: Material = Material()

    @property
    def empty(self) -> bool:
        """Whether it has nothing to log in with."""
        return self.credential is None and not self.tls


class ArgoRepositories:
    """Those of one Argo CD, listed when they are needed."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def find(self, wanted: ArgoRepository) -> Entry | None:
        """By what Argo CD would fetch; None for nothing.

        Raises:
            UndecidedError: the Secrets cannot be listed.
        """
        return choose([entry async for entry in self._entries()], wanted)

    async def _entries(self) -> AsyncIterator[Entry]:
        selector = f"{LABEL} in ({REPOSITORY},{TEMPLATE})"
        path = f"/api/v1/namespaces/{quote(self._namespace, safe='')}/secrets"
        query = {"labelSelector": selector, "limit": str(_PAGE)}
        what = f"Argo CD's repositories in {self._namespace}"
        for _ in range(_MAX_PAGES):
            try:
                page = await self._client.get(path, query)
            except ClusterError as error:
                raise UndecidedError(f"{what}: {error}") from None
            for secret in items(page, "items"):
                yield read_entry(secret)
            following = text(section(page, "metadata").get("continue"))
            if not following:
                return
            query["continue"] = following
        raise UndecidedError(f"{what}: more than {_PAGE * _MAX_PAGES}")


def read_entry(secret: Json) -> Entry:
    """What a Secret says.

    Raises:
        UndecidedError: it is no Secret.
    """
    metadata = section(secret, "metadata")
    data = decoded(secret, f"Argo CD's repository {text(metadata.get('namespace'))}/{text(metadata.get('name'))}")
    said = {key: data.get(key, b"").decode(errors="replace") for key in ("url", "project", "username", "password")}
    login = Credential(said["username"], said["password"]) if said["username"] or said["password"] else None
    tls = Material(certificate=data.get("tlsClientCertData", b""), key=data.get("tlsClientCertKey", b""))
    kind = text(section(metadata, "labels").get(LABEL))
    return Entry(kind, said["url"], said["project"], login, tls)


def choose(entries: Sequence[Entry], wanted: ArgoRepository) -> Entry | None:
    """The entry that Argo CD would take for a URL, in a project."""
    url = _normal(wanted.url)
    own = [entry for entry in entries if entry.kind == REPOSITORY and _normal(entry.url) == url]
    of_project = [entry for entry in own if entry.project == wanted.project]
    of_all = [entry for entry in own if not entry.project]
    found = next(iter(of_project or of_all), None)
    if found is not None and not found.empty:
        return found
    beginnings = [entry for entry in entries if entry.kind == TEMPLATE and _begins(_normal(entry.url), url)]
    # The first of those that are equally long, as max() takes it.
    template = max(beginnings, key=lambda entry: len(_normal(entry.url)), default=None)
    return template if template is not None and not template.empty else None


def _normal(url: str) -> str:
    return url.strip().lower().removesuffix(".git")


def _begins(beginning: str, url: str) -> bool:
    scheme, separator, rest = url.rpartition("://")
    place = scheme + separator + rest.partition("/")[0]
    path = beginning.removeprefix(place)
    return place != scheme + separator and url.startswith(beginning) and beginning != path and path[:1] in {"", "/"}
