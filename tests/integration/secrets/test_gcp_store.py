"""Google's client of Secret Manager against a server that checks what Google's does."""

from __future__ import annotations

import asyncio
import json
import logging

import grpc
import pytest
from support.gcp import AUDIENCE, PROJECT
from support.leaks import leaks

from gateway_secrets.stores.credentials import FolderCredentials
from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    ThrottledError,
    UnavailableError,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Find, Reference

_Code = grpc.StatusCode


async def test_values_and_versions(gcp, open_gcp):
    """The newest, or the number that is named; the version is the number."""
    gcp.add("app", b'{"a": "one"}', b'{"a": "two", "n": 1.50}')
    store = await open_gcp()
    newest = await store.get(Reference("app", "a"))
    assert (newest.value, newest.version) == (b"two", "2")
    assert (await store.get(Reference("app", "a", "1"))).value == b"one"
    assert (await store.get(Reference("app", "n"))).value == b"1.50"
    gcp.add("bytes", b"\x00\xff")
    assert (await store.get(Reference("bytes"))).value == b"\x00\xff"


async def test_what_is_not_there_or_not_enabled_is_not_found(gcp, open_gcp):
    """No secret, no version; one without versions, and one that was disabled."""
    gcp.add("app", b"1", b"2")
    gcp.add("empty")
    gcp.disable("app", 2)
    store = await open_gcp()
    for reference in (Reference("none"), Reference("app", version="7"), Reference("empty"), Reference("app")):
        with pytest.raises(NotFoundError, match=reference.key):
            await store.get(reference)
    assert (await store.describe("empty")).version == ""


async def test_the_newest_that_is_enabled_may_be_taken(gcp, open_gcp):
    """Where the manifest says LatestOrFetch, and no version is named."""
    gcp.add("app", b"1", b"2", b"3")
    gcp.disable("app", 3)
    store = await open_gcp(secretVersionSelectionPolicy="LatestOrFetch")
    found = await store.get(Reference("app"))
    assert (found.value, found.version) == (b"2", "2")
    with pytest.raises(NotFoundError, match="DISABLED"):
        await store.get(Reference("app", version="3"))
    gcp.disable("app", 2)
    gcp.disable("app", 1)
    with pytest.raises(NotFoundError, match="no version of it is enabled"):
        await store.get(Reference("app"))


async def test_the_version_is_known_without_the_value(gcp, open_gcp):
    """And labels and annotations, which are what ``metadataPolicy: Fetch`` gives."""
    gcp.add("app", b"1", b"2", labels={"team": "a"})
    gcp.denied.add("AccessSecretVersion")
    store = await open_gcp()
    known = await store.describe("app")
    assert (known.version, known.document["labels"]) == ("2", {"team": "a"})
    assert known.created.startswith("20")
    found = await store.get(Reference("app", "labels", metadata_policy="Fetch"))
    assert json.loads(found.value) == {"team": "a"}
    with pytest.raises(ForbiddenError, match="Permission denied"):
        await store.get(Reference("app"))


@pytest.mark.native
async def test_secrets_are_found_by_name_and_labels(gcp, open_gcp):
    """Over several pages; in a location, those that are there."""
    for number in range(300):
        gcp.add(f"many-{number:03}", labels={"half": str(number % 2)})
    gcp.add("there", b"1", location="europe-west3")
    store = await open_gcp()
    assert len(await store.find(Find(path="many"))) == 300
    assert gcp.asked == ["ListSecrets", "ListSecrets"]
    assert await store.find(Find(name="-00[12]$")) == ["many-001", "many-002"]
    assert await store.find(Find(name="-00[12]$", tags={"half": "1"})) == ["many-001"]
    assert await store.find(Find(tags={"half": "1 OR name:x"})) == []
    regional = await open_gcp(location="europe-west3")
    assert await regional.find(Find()) == ["there"]
    assert (await regional.get(Reference("there"))).value == b"1"


async def test_regional_secrets_are_pushed_without_replication(gcp, open_gcp):
    """Global ones with the automatic one: the server checks both."""
    for place in ({}, {"location": "europe-west3"}):
        store = await open_gcp(**place)
        assert await store.put(Reference("pushed"), b"1") == "1"
        assert (await store.get(Reference("pushed"))).value == b"1"


async def test_what_somebody_else_made_is_left_alone(gcp, open_gcp):
    """Neither overwritten nor deleted."""
    gcp.add("theirs", b"1")
    store = await open_gcp()
    for change in (store.put(Reference("theirs"), b"2"), store.delete(Reference("theirs"))):
        with pytest.raises(MisconfiguredError, match="not made by pushing"):
            await change
    assert (await store.get(Reference("theirs"))).value == b"1"


async def test_one_token_for_all_and_a_new_one_when_it_is_refused(gcp, open_gcp):
    """The read that finds it out succeeds; a refusal by policy costs no new one."""
    gcp.add("app", b"1")
    store = await open_gcp()
    found = await asyncio.gather(*[store.get(Reference("app")) for _ in range(20)])
    assert {secret.value for secret in found} == {b"1"}
    assert store._store.tokens.held.logins == 1
    gcp.refuse = [(_Code.UNAUTHENTICATED, "Request had invalid authentication credentials.")]
    assert (await store.get(Reference("app"))).value == b"1"
    assert store._store.tokens.held.logins == 2
    gcp.denied.add("AccessSecretVersion")
    with pytest.raises(ForbiddenError):
        await store.get(Reference("app"))
    assert store._store.tokens.held.logins == 2


async def test_a_key_that_google_does_not_know_is_forbidden(gcp, open_gcp, credentials):
    """And is in no message, nor is the token that was signed with it."""
    gcp.add("app", b"1")
    stranger = gcp.account_key("stranger@tests.iam.gserviceaccount.com")
    gcp.keys.clear()
    credentials.add("gcp", key=json.dumps(stranger))
    store = await open_gcp()
    with pytest.raises(ForbiddenError, match="invalid authentication") as caught:
        await store.get(Reference("app"))
    secret = stranger["private_key"].splitlines()[3]
    assert leaks(str(caught.value), [secret, store._store.tokens.held.present]) == []


class Accounts(FolderCredentials):
    """Service accounts without a cluster: their tokens say for whom they are."""

    def __init__(self, folder, **annotations):
        super().__init__(folder)
        self.found = annotations
        self.asked = []

    async def token(self, namespace, name, audiences):
        self.asked.append((namespace, name, tuple(audiences)))
        return "subject-Token-Vx73/+"

    async def annotations(self, namespace, name):
        return self.found


async def test_a_service_account_of_any_cluster_is_federated(gcp, open_gcp, credentials):
    """Its token, for the provider alone, is exchanged; with the annotation, for that of an account of Google's."""
    gcp.add("app", b"1")
    gcp.subject_token = "subject-Token-Vx73/+"
    auth = {"workloadIdentityFederation": {"serviceAccountRef": {"name": "robot"}, "audience": AUDIENCE}}
    accounts = Accounts(credentials.folder)
    store = await open_gcp(auth=auth, surroundings=accounts)
    assert (await store.get(Reference("app"))).value == b"1"
    assert accounts.asked == [("default", "robot", (f"https:{AUDIENCE}",))]
    assert gcp.exchanged[0]["subject_token"] == "subject-Token-Vx73/+"
    annotated = Accounts(credentials.folder, **{"iam.gke.io/gcp-service-account": "r@tests.iam.gserviceaccount.com"})
    store = await open_gcp(auth=auth, surroundings=annotated)
    assert (await store.get(Reference("app"))).value == b"1"
    assert any(token.startswith("impersonated-r@tests") for token in gcp.tokens)


async def test_a_token_that_is_not_exchanged_is_forbidden_and_not_shown(gcp, open_gcp, credentials):
    """Though Google may repeat it."""
    gcp.subject_token = "another"
    auth = {"workloadIdentityFederation": {"serviceAccountRef": {"name": "robot"}, "audience": AUDIENCE}}
    store = await open_gcp(auth=auth, surroundings=Accounts(credentials.folder))
    with pytest.raises(ForbiddenError, match="refused: invalid_grant") as caught:
        await store.get(Reference("app"))
    assert leaks(str(caught.value), ["subject-Token-Vx73/+"]) == []


async def test_a_service_account_of_gke(gcp, open_gcp, credentials):
    """Bound to its cluster, and then an account of Google's where it has one."""
    gcp.add("app", b"1")
    where = {"clusterProjectID": PROJECT, "clusterLocation": "europe-west3", "clusterName": "c"}
    auth = {"workloadIdentity": {"serviceAccountRef": {"name": "robot"}, **where}}
    for marks, token in (({}, "bound-"), ({"iam.gke.io/gcp-service-account": "r@x"}, "impersonated-r@x")):
        accounts = Accounts(credentials.folder, **marks)
        store = await open_gcp(auth=auth, surroundings=accounts)
        assert (await store.get(Reference("app"))).value == b"1"
        assert accounts.asked == [("default", "robot", (f"{PROJECT}.svc.id.goog",))]
        assert store._store.tokens.held.present.startswith(token)


EXTERNAL = {
    "type": "external_account", "audience": AUDIENCE, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token", "credential_source": {"url": "https://127.0.0.1:9/token"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"type": "authorized_user"}, "not the JSON of an external account"),
        ({"token_url": "https://attacker.example/v1/token"}, "have to be Google's own"),
        ({"service_account_impersonation_url": "https://attacker.example/"}, "have to be Google's own"),
        ({"credential_source": {"file": "/var/run/secrets/kubernetes.io/serviceaccount/token"}}, "no file or program"),
        ({"credential_source": {"executable": {"command": "id"}}}, "no file or program"),
        ({"credential_source": {"url": "https://169.254.169.254/"}}, "no file or program"),
    ],
)
async def test_an_external_account_reaches_nothing_that_is_not_its_owners(gcp, open_gcp, credentials, change, says):
    """Neither files, nor programs, nor addresses but the one that the manifest repeats; nothing is sent."""
    credentials.add("external", json=json.dumps({**EXTERNAL, **change}))
    federation = {
        "credConfig": {"name": "external", "key": "json"},
        "externalTokenEndpoint": "https://127.0.0.1:9/token",
    }
    with pytest.raises(MisconfiguredError, match=says):
        await (await open_gcp(auth={"workloadIdentityFederation": federation})).get(Reference("app"))
    assert gcp.exchanged == []


async def test_an_external_account_whose_token_is_not_to_be_had_is_unavailable(gcp, open_gcp, credentials):
    """Its address is asked, over TLS."""
    credentials.add("external", json=json.dumps(EXTERNAL))
    federation = {
        "credConfig": {"name": "external", "key": "json"},
        "externalTokenEndpoint": "https://127.0.0.1:9/token",
    }
    with pytest.raises(UnavailableError, match="cannot be reached"):
        await (await open_gcp(auth={"workloadIdentityFederation": federation})).get(Reference("app"))


ODD = {
    _Code.UNAVAILABLE: UnavailableError, _Code.INTERNAL: UnavailableError, _Code.UNKNOWN: UnavailableError,
    _Code.DEADLINE_EXCEEDED: UnavailableError, _Code.INVALID_ARGUMENT: MisconfiguredError,
    _Code.FAILED_PRECONDITION: MisconfiguredError, _Code.PERMISSION_DENIED: ForbiddenError,
}  # fmt: skip


@pytest.mark.parametrize("code", ODD, ids=lambda code: code.name)
async def test_odd_answers_are_errors_of_the_store(gcp, open_gcp, code):
    """Asked once, told in one short line."""
    gcp.refuse = [(code, "as\ntold " + "y" * 999)] * 2
    with pytest.raises(ODD[code], match=r"app: as told y+$") as caught:
        await (await open_gcp()).get(Reference("app"))
    assert len(str(caught.value)) < 300
    assert gcp.asked == ["AccessSecretVersion"]


async def test_a_throttled_read_succeeds_in_the_end(gcp, open_gcp):
    """Or tells that it was throttled."""
    gcp.add("app", b"1")
    gcp.refuse = [(_Code.RESOURCE_EXHAUSTED, "Quota exceeded")] * 2
    store = await open_gcp(limits=StoreLimits(retry_seconds=0.01))
    assert (await store.get(Reference("app"))).value == b"1"
    gcp.refuse = [(_Code.RESOURCE_EXHAUSTED, "Quota exceeded")]
    with pytest.raises(ThrottledError, match="Quota exceeded"):
        await (await open_gcp(limits=StoreLimits(retry_seconds=1e9))).get(Reference("app"))


async def test_a_server_that_is_not_there_or_not_trusted_is_unavailable(gcp, open_gcp, monkeypatch):
    """gRPC tells no more of TLS than that."""
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", "https://127.0.0.1:9/")
    with pytest.raises(UnavailableError, match="app: "):
        await (await open_gcp()).get(Reference("app"))
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", gcp.url)
    monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "/nowhere")
    with pytest.raises(MisconfiguredError, match="cannot read /nowhere"):
        await (await open_gcp()).get(Reference("app"))


async def test_no_library_logs_a_value(gcp, open_gcp, caplog):
    """At any level."""
    gcp.add("app", b"planted-Value-Xq81/+")
    with caplog.at_level(logging.DEBUG):
        await (await open_gcp()).get(Reference("app"))
    assert leaks(caplog.text, ["planted-Value-Xq81/+"]) == []


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"projectID": ""}, "projectID: '' is none"),
        ({"location": "a/b"}, "location: 'a/b' is none"),
        ({"auth": {}}, "only a ClusterSecretStore reads as govgate itself"),
        ({"auth": {"workloadIdentityFederation": {}}}, "needs credConfig or serviceAccountRef"),
        (
            {"auth": {"workloadIdentityFederation": {"serviceAccountRef": {"name": "x"}}}},
            "audience is needed with serviceAccountRef",
        ),
        ({"auth": {"workloadIdentity": {"serviceAccountRef": {"name": "x"}}, "secretRef": {}}}, "secretRef"),
        ({"project": "x"}, "unknown field `project`"),
    ],
)
async def test_manifests_that_cannot_work_say_why(gcp, open_gcp, spec, says):
    """With the field, before anything is sent."""
    with pytest.raises(MisconfiguredError, match=says):
        await (await open_gcp(**spec)).get(Reference("app"))
    assert gcp.asked == []


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"type": "service_account"}', '{"type": "authorized_user"}'])
async def test_what_is_no_key_is_misconfigured(gcp, open_gcp, credentials, content):
    """And not shown."""
    credentials.add("gcp", key=content)
    with pytest.raises(MisconfiguredError) as caught:
        await (await open_gcp()).get(Reference("app"))
    assert content not in str(caught.value)


@pytest.mark.parametrize("key", ["a/b", "../x", "", "a b", "x" * 256])
async def test_a_key_is_the_name_of_a_secret(gcp, open_gcp, key):
    """Anything else could lead elsewhere."""
    with pytest.raises(MisconfiguredError, match="no name of a secret"):
        await (await open_gcp()).get(Reference(key))
