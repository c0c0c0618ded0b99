"""The registry client against a registry that misbehaves."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from support.pki import Authority
from support.registries import (
    BUNDLE,
    OCI_INDEX,
    OCI_MANIFEST,
    FaultyRegistry,
    cut_short,
    descriptor,
    digest_of,
    once,
    respond,
    stall,
)

from gateway.config.provenance import RegistrySettings
from gateway.core.errors import ConfigError
from gateway.provenance.oci.budget import Budget
from gateway.provenance.oci.candidates import Looker, Round
from gateway.provenance.oci.credentials import Credential, Given
from gateway.provenance.oci.errors import (
    BudgetError,
    MalformedError,
    NotFoundError,
    RegistryError,
    ThrottledError,
    TooLargeError,
    UnauthorisedError,
    UnreachableError,
)
from gateway.provenance.oci.hosts import Hosts
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.manifest import Descriptor
from gateway.provenance.oci.reference import Reference
from gateway.provenance.oci.registry import _NEXT, Registry, Repository
from gateway.provenance.oci.source import blob_bytes

FORMATS = ("sigstore-bundle", "cosign-legacy", "cosign-legacy-attestation", "notation-jws")


@pytest.fixture
async def faulty() -> AsyncIterator[FaultyRegistry]:
    async with FaultyRegistry().serve() as registry:
        yield registry


@pytest.fixture
async def client(faulty: FaultyRegistry) -> AsyncIterator[Registry]:
    found = Registry(Hosts([RegistrySettings((faulty.host,), plain_http=True)]), Limits(backoff_seconds=0.01))
    yield found
    await found.close()


def opened(
    client: Registry,
    faulty: FaultyRegistry,
    *,
    password: str = "",
    seconds: float = 20,
    requests: int = 50,
    at: str = "a/b",
) -> Repository:
    keychain = Given(faulty.host, Credential("robot", password)) if password else None
    return client.repository(Reference(faulty.host, at, "v1"), Budget(seconds=seconds, requests=requests), keychain)


async def all_rounds(source: Repository, digest: str, limits: Limits | None = None) -> list[Round]:
    return [found async for found in Looker(source, digest, FORMATS, limits or Limits()).rounds()]


async def test_candidates_are_read_side_by_side(client: Registry, faulty: FaultyRegistry) -> None:
    """In the order of the list; and if one cannot be had, none is."""
    digest = faulty.add_artifact("v1")
    sources = [faulty.add_referrer(digest, str(number).encode()) for number in range(20)]
    waiting = asyncio.Event()
    seen: set[str] = set()

    async def held(request: web.Request) -> web.StreamResponse:
        seen.add(request.path)
        if len(seen) >= 8:
            waiting.set()
        await waiting.wait()
        return faulty._serve(request)

    faulty.faults = [("/blobs/", held)]
    rounds = await all_rounds(opened(client, faulty), digest)
    assert [one.source for found in rounds for one in found.candidates] == sources
    faulty.faults = [(f"manifests/{sources[7]}", respond(500))]
    with pytest.raises(UnreachableError):
        await all_rounds(opened(client, faulty, requests=200), digest)


async def test_a_tag_is_resolved_and_bodies_are_checked(client: Registry, faulty: FaultyRegistry) -> None:
    """The digest is that of the bytes that came, whatever headers say."""
    digest = faulty.add_artifact("v1")
    source = opened(client, faulty)
    found = await source.manifest("v1")
    assert found.digest == digest
    assert found.manifest.layers is not None
    layer = found.manifest.layers[0]
    content = await blob_bytes(source, layer, limit=1000, what="layer")
    assert digest_of(content) == layer.digest
    assert (await source.manifest(digest)).body == found.body


@pytest.mark.parametrize("what", ["manifests", "blobs"])
async def test_another_content_is_refused(client: Registry, faulty: FaultyRegistry, what: str) -> None:
    """A manifest or a blob that does not have the digest asked for is not used."""
    digest = faulty.add_artifact("v1")
    found = (await opened(client, faulty).manifest("v1")).manifest
    assert found.layers is not None
    other = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    faulty.faults = [(what, respond(body=other, Content_Type=OCI_INDEX))]
    source = opened(client, faulty)
    entry = msgspec.structs.replace(found.layers[0], size=len(other))
    asked = source.manifest(digest) if what == "manifests" else blob_bytes(source, entry, limit=1000, what="layer")
    with pytest.raises(MalformedError, match="has the digest"):
        await asked


async def test_a_blob_may_not_be_longer_than_said(client: Registry, faulty: FaultyRegistry) -> None:
    """What is more than the descriptor's size is not read."""
    digest = faulty.add_blob(b"x" * 100_000)
    with pytest.raises(TooLargeError):
        await blob_bytes(opened(client, faulty), Descriptor("a", digest, 10), limit=1000, what="layer")
    with pytest.raises(TooLargeError):
        await blob_bytes(opened(client, faulty), Descriptor("a", digest, 100_000), limit=1000, what="layer")
    assert len(faulty.requests) == 1


async def test_a_huge_manifest_is_not_read(client: Registry, faulty: FaultyRegistry) -> None:
    """With its length told or not."""
    faulty.faults = [("manifests", respond(body=b" " * (5 * 1024 * 1024), Content_Type=OCI_MANIFEST))]
    with pytest.raises(TooLargeError):
        await opened(client, faulty).manifest("v1")


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (respond(500), UnreachableError),
        (respond(503), UnreachableError),
        (respond(403), UnauthorisedError),
        (respond(401), UnauthorisedError),
        (respond(404), NotFoundError),
        (respond(418), MalformedError),
        (respond(200, b"<html>", Content_Type="text/html"), MalformedError),
        (respond(429, Retry_After="3600"), ThrottledError),
        (respond(302, Location="/v2/a/b/manifests/v1"), MalformedError),
        (respond(302, Location="file:///etc/passwd"), MalformedError),
        (respond(302, Location="http://other.example/"), MalformedError),
        (respond(302), MalformedError),
        (cut_short, UnreachableError),
    ],
)
async def test_each_failure_has_its_class(
    client: Registry, faulty: FaultyRegistry, handler: Any, error: type[RegistryError]
) -> None:
    """None of them is taken for another, and all of them are undecided, never unsigned."""
    faulty.faults = [("manifests", handler)]
    with pytest.raises(error) as caught:
        await opened(client, faulty).manifest("v1")
    assert type(caught.value) is error


async def test_a_host_that_is_not_there_is_unreachable(client: Registry) -> None:
    """Nobody listens."""
    source = client.repository(Reference("127.0.0.1:1", "a/b", "v1"), Budget(seconds=5, requests=9))
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1"):
        await source.manifest("v1")


async def test_plain_http_is_only_for_hosts_that_are_named(faulty: FaultyRegistry) -> None:
    """Any other is spoken to with TLS, or not at all."""
    faulty.add_artifact("v1")
    strict = Registry(limits=Limits(attempts=1))
    with pytest.raises(UnreachableError):
        await opened(strict, faulty).manifest("v1")
    await strict.close()
    assert not faulty.requests


async def test_a_private_authority_is_trusted_where_it_is_named(tmp_path: Path) -> None:
    """For the hosts that it is named for; another one's certificate is not taken."""
    authority = Authority()
    certificate, key = authority.issue_to(tmp_path, "server")
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    async with FaultyRegistry().serve(tls) as registry:
        digest = registry.add_artifact("v1")
        settings = RegistrySettings((registry.host,), ca_file=str(tmp_path / "ca.crt"))
        for named, good in ((settings, True), (RegistrySettings(("other",), ca_file=str(tmp_path / "ca.crt")), False)):
            client = Registry(Hosts([named]), Limits(attempts=1))
            if good:
                assert (await opened(client, registry).manifest("v1")).digest == digest
            else:
                with pytest.raises(UnreachableError, match="TLS"):
                    await opened(client, registry).manifest("v1")
            await client.close()
    (tmp_path / "bad.crt").write_text("garbage")
    for name in ("bad.crt", "none.crt"):
        with pytest.raises(ConfigError, match=name):
            Hosts([RegistrySettings(("x",), ca_file=str(tmp_path / name))])


async def test_a_slow_body_ends_with_the_budget(client: Registry, faulty: FaultyRegistry) -> None:
    """The deadline holds in the middle of a body too."""
    faulty.faults = [("manifests", stall)]
    with pytest.raises(UnreachableError, match="in time"):
        await opened(client, faulty, seconds=0.3).manifest("v1")


async def test_what_may_pass_is_asked_again(client: Registry, faulty: FaultyRegistry) -> None:
    """A 429 with patience that fits, a 500, a body that was cut."""
    digest = faulty.add_artifact("v1")
    for handler in (respond(429, Retry_After="0"), respond(500), cut_short):
        faulty.faults = [("manifests", once(handler, faulty))]
        assert (await opened(client, faulty).manifest("v1")).digest == digest


async def test_a_budget_of_requests_holds(client: Registry, faulty: FaultyRegistry) -> None:
    """Redirects and second attempts are paid from it as well."""
    faulty.faults = [("manifests", respond(302, Location="/v2/a/b/manifests/v1"))]
    with pytest.raises(BudgetError):
        await opened(client, faulty, requests=3).manifest("v1")
    assert len(faulty.requests) == 3


async def test_credentials_do_not_go_to_another_host(client: Registry, faulty: FaultyRegistry) -> None:
    """A blob is often redirected to a storage service, which must not see the registry's token."""
    faulty.password = "pw"
    data = b"content"
    async with FaultyRegistry().serve() as storage:
        storage.blobs[digest_of(data)] = data
        hosts = Hosts([RegistrySettings((faulty.host, storage.host), plain_http=True)])
        both = Registry(hosts)

        async def redirect(request: web.Request) -> web.StreamResponse:
            headers = {"Location": f"http://{storage.host}{request.path}"}
            return faulty._guarded(request) or web.Response(status=307, headers=headers)

        faulty.faults = [("blobs", redirect)]
        source = opened(both, faulty, password="pw")
        entry = Descriptor("a", digest_of(data), len(data))
        assert await blob_bytes(source, entry, limit=100, what="blob") == data
        assert [seen for _, seen in faulty.requests][-1].startswith("Basic ")
        assert [seen for _, seen in storage.requests] == [""]
        await both.close()


async def test_a_credential_is_looked_up_once(client: Registry, faulty: FaultyRegistry) -> None:
    """For all requests of one verification: it may be a program that is run."""
    asked: list[str] = []

    class Helper:
        async def find(self, registry: str, repository: str) -> Credential | None:
            asked.append(f"{registry}/{repository}")
            return None

    digest = faulty.add_artifact("v1")
    for number in range(5):
        faulty.add_referrer(digest, str(number).encode())
    budget = Budget(seconds=20, requests=50)
    await all_rounds(client.repository(Reference(faulty.host, "a/b", "v1"), budget, Helper()), digest)
    assert asked == [f"{faulty.host}/a/b"]


async def test_a_token_is_asked_for_once(client: Registry, faulty: FaultyRegistry) -> None:
    """And only for the scope that is needed, whatever the challenge asks; the password goes to the token server only."""
    faulty.add_artifact("v1")
    faulty.token, faulty.password = "t0ken", "pw"
    for _ in range(3):
        await opened(client, faulty, password="pw").manifest("v1")
    assert faulty.counts["GET /token"] == 1
    assert len(faulty.requests) == 5
    assert {seen.partition(" ")[0] for line, seen in faulty.requests if "token" not in line} == {"", "Bearer"}


async def test_a_wrong_password_is_unauthorised(client: Registry, faulty: FaultyRegistry) -> None:
    """With a token server or without; the error holds nothing of it."""
    faulty.add_artifact("v1")
    faulty.password = "right"
    for token in ("", "t0ken"):
        faulty.token = token
        with pytest.raises(UnauthorisedError) as caught:
            await opened(client, faulty, password="open-sesame").manifest("v1")
        assert "open-sesame" not in str(caught.value)
        with pytest.raises(UnauthorisedError):
            await opened(client, faulty).manifest("v1")


async def test_a_token_server_elsewhere_is_not_asked(client: Registry, faulty: FaultyRegistry) -> None:
    """A challenge can not send the gateway, or a password, into the cluster."""
    challenge = 'Bearer realm="http://127.0.0.1:9/token",service="x"'
    faulty.faults = [("manifests", respond(401, WWW_Authenticate=challenge))]
    with pytest.raises(UnauthorisedError, match="tokenHosts"):
        await opened(client, faulty, password="pw").manifest("v1")


async def test_a_token_that_is_no_longer_taken_is_replaced(client: Registry, faulty: FaultyRegistry) -> None:
    """One more question, then it goes on."""
    faulty.add_artifact("v1")
    faulty.token = "one"
    await opened(client, faulty).manifest("v1")
    faulty.token = "two"
    await opened(client, faulty).manifest("v1")
    assert faulty.counts["GET /token"] == 2


async def test_referrers_are_read_by_the_api(client: Registry, faulty: FaultyRegistry) -> None:
    """One question for the list, two for each signature, and one for each of the older tags."""
    digest = faulty.add_artifact("v1")
    source = faulty.add_referrer(digest, b'{"a": 1}')
    faulty.add_referrer(digest, b"sbom", "application/spdx+json")
    rounds = await all_rounds(opened(client, faulty), digest)
    (candidate,) = rounds[0].candidates
    assert (candidate.format, candidate.payload, candidate.source) == ("sigstore-bundle", b'{"a": 1}', source)
    assert len(faulty.requests) == 3 + 2


@pytest.mark.parametrize(
    "handler", [respond(404), respond(400), respond(406), respond(200, b"{}", Content_Type="application/json")]
)
async def test_without_the_api_the_tag_stands_in(client: Registry, faulty: FaultyRegistry, handler: Any) -> None:
    """As the specification says; also where a 200 is of another type."""
    digest = faulty.add_artifact("v1")
    source = faulty.add_referrer(digest, b"{}")
    assert faulty.referrers is not None
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": faulty.referrers[digest]}
    faulty.add_manifest(index, digest.replace(":", "-"))
    faulty.faults = [("/referrers/", handler)]
    assert [one.digest for one in await opened(client, faulty).referrers(digest)] == [source]


@pytest.mark.parametrize(
    ("pattern", "handler", "error"),
    [
        ("/referrers/", respond(500), UnreachableError),
        ("/referrers/", respond(401), UnauthorisedError),
        ("/referrers/", respond(200, b"{", Content_Type=OCI_INDEX), MalformedError),
        (r"manifests/sha256-\w+$", respond(500), UnreachableError),
        (r"\.sig$", respond(502), UnreachableError),
        (r"\.sig$", respond(403), UnauthorisedError),
        (r"\.att$", respond(502), UnreachableError),
    ],
)
async def test_a_failure_is_never_unsigned(
    client: Registry, faulty: FaultyRegistry, pattern: str, handler: Any, error: type[RegistryError]
) -> None:
    """A server error on the way to a signature is an error, and no other way is taken in silence."""
    digest = faulty.add_artifact("v1")
    if "/referrers/" not in pattern:
        faulty.referrers = None
    faulty.faults = [(pattern, handler)]
    with pytest.raises(error):
        await all_rounds(opened(client, faulty), digest)


async def test_without_any_signature_nothing_is_found(client: Registry, faulty: FaultyRegistry) -> None:
    """Unsigned is: everything was asked, and everything answered that there is none."""
    digest = faulty.add_artifact("v1")
    rounds = await all_rounds(opened(client, faulty), digest)
    assert rounds == [Round((), ()), Round((), ())]


async def test_ten_thousand_referrers_are_too_many(client: Registry, faulty: FaultyRegistry) -> None:
    """If they say that they are signatures; others are passed over."""
    digest = faulty.add_artifact("v1")
    entries = [descriptor(str(number).encode(), OCI_MANIFEST, artifactType=BUNDLE) for number in range(10_000)]
    faulty.referrers = {digest: [{**entry, "artifactType": "application/spdx+json"} for entry in entries]}
    assert (await all_rounds(opened(client, faulty), digest))[0] == Round((), ())
    faulty.referrers = {digest: entries}
    before = len(faulty.requests)
    with pytest.raises(TooLargeError, match="10000 referrers"):
        await all_rounds(opened(client, faulty, requests=200), digest)
    assert len(faulty.requests) == before + 1 + 64 + 2


async def test_more_than_is_read_hides_nothing_of_what_is_read(client: Registry, faulty: FaultyRegistry) -> None:
    """The first signatures are judged, and cosign's tags, before it is an error that there are more; so for requests."""
    digest = faulty.add_artifact("v1")
    good = faulty.add_referrer(digest, b"good")
    assert faulty.referrers is not None
    faulty.referrers[digest] += [descriptor(str(n).encode(), OCI_MANIFEST, artifactType=BUNDLE) for n in range(100)]
    tag = digest.replace(":", "-") + ".sig"
    layer = descriptor(b"1", "application/vnd.dev.cosign.simplesigning.v1+json")
    faulty.add_blob(b"1")
    faulty.add_manifest({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": layer, "layers": [layer]}, tag)
    for requests in (30, 200):
        looking = Looker(opened(client, faulty, requests=requests), digest, FORMATS, Limits()).rounds()
        rounds = [await anext(looking), await anext(looking)]
        with pytest.raises(TooLargeError):
            [found async for found in looking]
        assert [one.source for one in rounds[0].candidates] == [good]
        assert [one.format for one in rounds[1].candidates] == ["cosign-legacy"]


async def test_more_pages_than_are_read_hide_nothing_of_those_that_are(
    client: Registry, faulty: FaultyRegistry
) -> None:
    """What they list is judged first; then it is an error."""
    digest = faulty.add_artifact("v1")
    good = faulty.add_referrer(digest, b"good")
    assert faulty.referrers is not None
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": faulty.referrers[digest]}
    link = '<?page=1>; rel="next"'
    faulty.faults = [("/referrers/", respond(200, json.dumps(index).encode(), Content_Type=OCI_INDEX, Link=link))]
    looking = Looker(opened(client, faulty), digest, FORMATS, Limits()).rounds()
    assert [one.source for one in (await anext(looking)).candidates] == [good]
    with pytest.raises(TooLargeError, match="pages"):
        [found async for found in looking]


async def test_odd_entries_of_a_list_hide_nothing(client: Registry, faulty: FaultyRegistry) -> None:
    """Entries that are none are passed over; a signature by a digest of another kind is told; so by API and by tag."""
    digest = faulty.add_artifact("v1")
    good = faulty.add_referrer(digest, b"good")
    assert faulty.referrers is not None
    sha512 = {"mediaType": OCI_MANIFEST, "digest": "sha512:" + "a" * 128, "size": 3, "artifactType": BUNDLE}
    odd = [sha512, {**sha512, "artifactType": "text/plain"}, {**sha512, "digest": 1}, {}, 1, None]
    faulty.referrers[digest] += [*odd, {**descriptor(b"x", OCI_MANIFEST), "artifactType": None, "annotations": 1}]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": faulty.referrers[digest]}
    for _ in range(2):
        first, *_ = await all_rounds(opened(client, faulty), digest)
        assert [one.source for one in first.candidates] == [good]
        assert {one.source for one in first.rejected} == {sha512["digest"], descriptor(b"x", OCI_MANIFEST)["digest"]}
        faulty.add_manifest(index, digest.replace(":", "-"))
        faulty.faults = [("/referrers/", respond(404))]


async def test_a_tag_that_is_no_manifest_hides_nothing(client: Registry, faulty: FaultyRegistry) -> None:
    """It is told, beside the signature that is good."""
    digest = faulty.add_artifact("v1")
    good = faulty.add_referrer(digest, b"good")
    tag = digest.replace(":", "-") + ".att"
    faulty.faults = [(r"\.att$", respond(200, b"{", Content_Type=OCI_MANIFEST))]
    first, second = await all_rounds(opened(client, faulty), digest)
    assert [one.source for one in first.candidates] == [good]
    assert [(one.source, one.step) for one in second.rejected] == [(tag, "format")]


async def test_pages_of_referrers_are_followed(client: Registry, faulty: FaultyRegistry) -> None:
    """On the same host, and not without end."""
    digest = faulty.add_artifact("v1")
    pages = [faulty.add_referrer(digest, name.encode()) for name in "ab"]
    assert faulty.referrers is not None
    listed = faulty.referrers[digest]

    async def paged(request: web.Request) -> web.StreamResponse:
        page = int(request.query.get("page", "0"))
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [listed[page]]}).encode()
        link = {"Link": f'<{request.path}?page={page + 1}>; rel="next"'} if page == 0 else {}
        return web.Response(body=body, headers={"Content-Type": OCI_INDEX, **link})

    faulty.faults = [("/referrers/", paged)]
    assert [one.digest for one in await opened(client, faulty).referrers(digest)] == pages
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    forever = respond(200, body, Content_Type=OCI_INDEX, Link='<?page=1>; rel="next"')
    faulty.faults = [("/referrers/", forever)]
    with pytest.raises(TooLargeError, match="pages"):
        await opened(client, faulty).referrers(digest)
    faulty.faults = [
        ("/referrers/", respond(200, body, Content_Type=OCI_INDEX, Link='<http://x.example/>; rel="next"'))
    ]
    with pytest.raises(MalformedError, match="another host"):
        await opened(client, faulty).referrers(digest)


NO_URLS = (
    "https://a:99999999/x",
    "https://a:b/",
    "https://xn--/",
    "https://é.com:x/",
    "https://[v1.x]/",
    "https://",
    "ftp://a/",
)


@pytest.mark.parametrize(
    ("status", "header", "values"),
    [
        (307, "Location", (*NO_URLS, "https://é.com/")),
        (429, "Retry-After", ("Mon, 01 Jan 2024 00:00:00 " + "9" * 30, f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT")),
        (200, "Link", tuple(f'<{url}>; rel="next"' for url in NO_URLS)),
        (401, "WWW-Authenticate", tuple(f'Bearer realm="{url}"' for url in NO_URLS)),
    ],
)
async def test_headers_of_no_sense_are_errors_of_the_registry(
    client: Registry, faulty: FaultyRegistry, status: int, header: str, values: tuple[str, ...]
) -> None:
    """Whatever the library thinks of a host, a port or a date."""
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    for value in values:
        faulty.faults = [
            ("/referrers/", respond(status, body, Content_Type=OCI_INDEX, **{header.replace("-", "_"): value}))
        ]
        with pytest.raises(RegistryError):
            await opened(client, faulty).referrers(digest_of(b"x"))


async def test_a_long_header_takes_no_time(client: Registry, faulty: FaultyRegistry) -> None:
    """What is no link is passed over once, not once for each of its characters."""
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    faulty.faults = [("/referrers/", respond(200, body, Content_Type=OCI_INDEX, Link="<" * 8_000))]
    assert await opened(client, faulty).referrers(digest_of(b"x")) == ()
    before = time.process_time()
    assert _NEXT.search("<" * 30_000) is None
    assert time.process_time() - before < 0.5


async def test_what_can_not_be_read_hides_nothing(client: Registry, faulty: FaultyRegistry) -> None:
    """One signature that is too large, one that is gone and one that is broken, beside one that is good."""
    digest = faulty.add_artifact("v1")
    large = faulty.add_referrer(digest, b"x" * (1024 * 1024 + 1))
    gone = faulty.add_referrer(digest, b"gone")
    broken = faulty.add_referrer(digest, b"broken")
    good = faulty.add_referrer(digest, b"good")
    del faulty.manifests[gone]
    faulty.manifests[broken] = (b"{}", OCI_MANIFEST)
    rounds = await all_rounds(opened(client, faulty), digest)
    assert [one.source for one in rounds[0].candidates] == [good]
    assert {one.source: one.step for one in rounds[0].rejected} == {large: "size", gone: "format", broken: "format"}


async def test_a_layer_of_another_type_is_no_signature(client: Registry, faulty: FaultyRegistry) -> None:
    """What a list calls a bundle may hold something else."""
    digest = faulty.add_artifact("v1")
    faulty.add_referrer(digest, b"{}", "application/octet-stream")
    assert faulty.referrers is not None
    faulty.referrers[digest][0]["artifactType"] = BUNDLE
    assert (await all_rounds(opened(client, faulty), digest))[0] == Round((), ())


async def test_connections_are_kept(client: Registry, faulty: FaultyRegistry) -> None:
    """Ten questions, one connection."""
    peers: set[object] = set()
    faulty.add_artifact("v1")

    async def note(request: web.Request) -> web.StreamResponse:
        peers.add(request.transport.get_extra_info("peername") if request.transport else None)
        return faulty._serve(request)

    faulty.faults = [("manifests", note)]
    source = opened(client, faulty)
    for _ in range(10):
        await source.manifest("v1")
    assert len(peers) == 1
