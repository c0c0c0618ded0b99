"""Registries over HTTP. Source: the OCI distribution specification 1.1."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Sequence
from typing import IO, cast

from yarl import URL

from gateway.core.canonical import sha256_digest
from gateway.provenance.meter import Meter
from gateway.provenance.oci.auth import Authenticator, Reader, parse_challenges
from gateway.provenance.oci.budget import Budget
from gateway.provenance.oci.credentials import Anonymous, Credential, Keychain
from gateway.provenance.oci.errors import (
    MalformedError,
    NotFoundError,
    TooLargeError,
    UnauthorisedError,
    UnfinishedListError,
)
from gateway.provenance.oci.hosts import Hosts, stranger
from gateway.provenance.oci.http import Answer, Request, Sink, Transport
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.manifest import MANIFESTS, OCI_INDEX, Descriptor, parse_listing, parse_manifest, parse_tags
from gateway.provenance.oci.reference import Reference, is_digest, is_tag
from gateway.provenance.oci.source import Found, Hashing, check_digest
from gateway.provenance.oci.tls import Material

_OK, _UNAUTHORISED, _FORBIDDEN, _NOT_FOUND = 200, 401, 403, 404
_NO_REFERRERS_API = frozenset((400, 404, 406))
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,]*\brel="?next"?')


class Registry:
    """All registries, with what is remembered about them. For one event loop; concurrent use is fine."""

    def __init__(self, hosts: Hosts | None = None, limits: Limits | None = None, meter: Meter | None = None) -> None:
        self.limits = limits or Limits()
        self.transport = Transport(hosts or Hosts(), self.limits, meter)
        self.authenticator = Authenticator(self.transport, self.limits)

    def repository(
        self, reference: Reference, budget: Budget, keychain: Keychain | None = None, tls: Material | None = None
    ) -> Repository:
        """The repository of a reference, to be read within a budget. ``tls``: see :meth:`Hosts.tls`."""
        return Repository(self, reference, budget, keychain or Anonymous(), tls or Material())

    async def close(self) -> None:
        """Close all connections."""
        await self.transport.close()


class Repository:
    """One repository; see :class:`gateway.provenance.oci.source.Source`."""

    def __init__(
        self, registry: Registry, reference: Reference, budget: Budget, keychain: Keychain, tls: Material
    ) -> None:
        self._registry = registry
        self._limits = registry.limits
        self._host = registry.transport.hosts.name(reference.registry)
        self._repository = reference.repository
        self._name = reference.name
        self._budget = budget
        self._keychain = keychain
        self._tls = tls
        self._asking = asyncio.Lock()
        self._credential: tuple[Credential | None] | None = None
        self._base = registry.transport.hosts.base(self._host) / "v2" / reference.repository

    async def manifest(self, reference: str) -> Found:
        """The manifest of a digest or a tag."""
        digest, body, content_type, what = await self._manifest(reference)
        return Found(digest, body, parse_manifest(body, content_type=content_type, what=what))

    async def _manifest(self, reference: str) -> tuple[str, bytes, str, str]:
        """The digest of a manifest's bytes, these bytes, as what they came, and what to call them."""
        pinned = is_digest(reference)
        what = f"{self._name}@{reference}" if pinned else f"{self._name}:{reference}"
        sink = io.BytesIO()
        answer = await self._get(
            self._base / "manifests" / reference, Sink(sink, self._limits.manifest_bytes), what, accept=MANIFESTS
        )
        self._expect(answer, what)
        body = sink.getvalue()
        digest = sha256_digest(body)
        if pinned:
            check_digest(digest, reference, what)
        return digest, body, answer.headers.get("Content-Type", ""), what

    async def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """What refers to a manifest: by the API, or else by the tag that stands in for it.

        The tag is asked for only where the API is not there: a failing API says nothing about the tag.
        """
        what = f"referrers of {self._name}@{digest}"
        url: URL | None = self._base / "referrers" / digest
        found: list[Descriptor] = []
        for page in range(self._limits.referrers_pages):
            if url is None:
                return tuple(found)
            sink = io.BytesIO()
            answer = await self._get(url, Sink(sink, self._limits.manifest_bytes), what, accept=(OCI_INDEX,))
            content_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            no_api = answer.status in _NO_REFERRERS_API or (answer.status == _OK and content_type != OCI_INDEX)
            if no_api and page == 0:
                return await self._tagged_referrers(digest)
            self._expect(answer, what)
            found += parse_listing(sink.getvalue(), what=what)
            url = self._next(url, answer)
        if url is not None:
            raise UnfinishedListError(f"{what}: more than {self._limits.referrers_pages} pages", found)
        return tuple(found)

    async def tags(self) -> tuple[str, ...]:
        """All tags, in the order of the registry; what is no tag is left out."""
        what = f"tags of {self._name}"
        url: URL | None = (self._base / "tags" / "list").with_query(n=self._limits.tags_per_page)
        found: list[str] = []
        for _ in range(self._limits.tags_pages):
            if url is None or len(found) > self._limits.tags:
                break
            sink = io.BytesIO()
            answer = await self._get(url, Sink(sink, self._limits.manifest_bytes), what)
            self._expect(answer, what)
            found += filter(is_tag, parse_tags(sink.getvalue(), what=what))
            url = self._next(url, answer)
        if url is not None or len(found) > self._limits.tags:
            # Unlike a signature, the newest version may be anywhere: a part of the list says nothing.
            raise TooLargeError(f"{what}: more than {self._limits.tags_pages} pages or {self._limits.tags} tags")
        return tuple(dict.fromkeys(found))

    async def blob(self, descriptor: Descriptor, sink: IO[bytes], *, limit: int, what: str) -> None:
        """Write a blob's bytes into ``sink``, checked."""
        if descriptor.size > limit:
            raise TooLargeError(f"{what}: {descriptor.size} bytes, more than {limit}")
        hashing = Hashing(sink)
        answer = await self._get(
            self._base / "blobs" / descriptor.digest, Sink(cast("IO[bytes]", hashing), descriptor.size), what
        )
        self._expect(answer, what)
        check_digest(hashing.digest, descriptor.digest, what)

    async def _tagged_referrers(self, digest: str) -> tuple[Descriptor, ...]:
        try:
            _, body, _, what = await self._manifest(digest.replace(":", "-"))
        except NotFoundError:
            return ()
        return parse_listing(body, what=what)

    def _next(self, at: URL, answer: Answer) -> URL | None:
        match = _NEXT.search(answer.headers.get("Link", ""))
        if match is None:
            return None
        target = stranger(match[1], at=at)
        if target is None or target.origin() != at.origin():
            raise MalformedError(f"{self._name}: the next page of a list is said to be on another host")
        return target

    def _expect(self, answer: Answer, what: str) -> None:
        if answer.status == _OK:
            return
        if answer.status == _NOT_FOUND:
            raise NotFoundError(f"{what}: there is no such thing (HTTP 404)")
        raise MalformedError(f"{what}: the registry answers HTTP {answer.status}")

    async def _found(self) -> Credential | None:
        """The credential, looked up once: that may be a program to run."""
        async with self._asking:
            if self._credential is None:
                self._credential = (await self._find(),)
            return self._credential[0]

    async def _find(self) -> Credential | None:
        for name in self._registry.transport.hosts.names(self._host):
            found = await self._keychain.find(name, self._repository)
            if found is not None:
                return found
        return None

    async def _get(self, url: URL, sink: Sink, what: str, *, accept: Sequence[str] = ()) -> Answer:
        """One GET with what the registry wants to see; it is asked a second time after a 401, and no more."""
        authenticator, credential = self._registry.authenticator, await self._found()
        reader = Reader(self._host, f"repository:{self._repository}:pull", credential, self._tls)
        value = authenticator.authorization(reader)
        for attempt in range(2):
            headers = {"Accept": ", ".join(accept)} if accept else {}
            if value:
                headers["Authorization"] = value
            request = Request(url, sink, what, headers, owner=self._host, tls=self._tls)
            answer = await self._registry.transport.send(request, self._budget)
            if answer.status == _FORBIDDEN:
                raise UnauthorisedError(f"{what}: {self._host} forbids it (HTTP 403)")
            if answer.status != _UNAUTHORISED:
                return answer
            authenticator.forget(reader)
            if attempt == 0:
                challenges = parse_challenges(answer.challenges)
                value = await authenticator.answer(reader, challenges, self._budget)
        taken = "the credentials are not taken" if credential else "it wants credentials"
        raise UnauthorisedError(f"{what}: {self._host}: {taken} (HTTP 401)")
