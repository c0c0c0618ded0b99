"""Policies that have keys from Secrets and ConfigMaps: what was read of them, and what becomes of them if it cannot be."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, cast

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support.signing import pem

from gateway.config.provenance import TrustPolicy
from gateway.core.errors import ConfigError
from gateway.core.finding import Action
from gateway.core.guard import Judged, OnError
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Json, Subject, UserInfo
from gateway.kube import KubeClient
from gateway.kube.errors import ApiError, UnreachableError
from gateway.provenance.trust.places import Place, Refer, places
from gateway.provenance.trust.reading import GROUP, read_policy
from webhooks.trust import read_all, read_own
from webhooks.trust_guard import TrustPolicyGuard
from webhooks.trust_references import MAX_OBJECTS, References

PEM, OTHER = (pem(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
REF = {"name": "keys", "key": "cosign.pub", "namespace": "trust"}
SECRET = Place("Secret", "trust", "keys", "cosign.pub")
CONFIG_MAP = Place("ConfigMap", "", "roots", "root.json")


def spec(*keys: Json, **more: Any) -> Json:
    authority = {"name": "a", "keys": list(keys or [{"secretKeyRef": REF}]), **more}
    return {"repositories": ["ghcr.io/acme/**"], "authorities": [authority]}


def policy(*keys: Json, **more: Any) -> TrustPolicy:
    return msgspec.convert({"name": "p", **spec(*keys, **more)}, TrustPolicy)


def holding(**contents: bytes) -> Refer:
    def refer(place: Place) -> bytes:
        try:
            return contents[place.name]
        except KeyError:
            raise ConfigError(f"{place}: gone") from None

    return refer


class Api:
    """An API server with some objects; a path can fail."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.failing: Exception | None = None
        self.asked: list[str] = []

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        del query
        self.asked.append(path)
        if self.failing is not None:
            raise self.failing
        if path not in self.objects:
            raise ApiError(404, "NotFound", "no such object")
        return self.objects[path]

    def put(self, place: Place, content: bytes, field: str = "data") -> None:
        plural = "secrets" if place.kind == "Secret" else "configmaps"
        coded = content.decode() if (plural, field) == ("configmaps", "data") else base64.b64encode(content).decode()
        path = f"/api/v1/namespaces/{place.namespace or 'own'}/{plural}/{place.name}"
        self.objects[path] = {"metadata": {"managedFields": "large"}, field: {place.key: coded}}


def references(api: Api, *allowed: str) -> References:
    return References(cast("KubeClient", api), "own", allowed)


def test_all_that_a_policy_names_is_known() -> None:
    """Keys, a trusted root, anchors; each in one place only."""
    root, anchors = {"configMapKeyRef": {"name": "roots", "key": "root.json"}}, {"secretKeyRef": {**REF, "name": "n"}}
    others = {kind: {"configMapKeyRef": {"name": kind.lower(), "key": "pem"}} for kind in ("tsa", "signingAuthority")}
    found = policy({"secretKeyRef": REF}, {"pem": PEM}, trustedRoot=root, notation={**anchors, **others})
    assert places(found) == {
        SECRET,
        CONFIG_MAP,
        Place("Secret", "trust", "n", "cosign.pub"),
        Place("ConfigMap", "", "tsa", "pem"),
        Place("ConfigMap", "", "signingauthority", "pem"),
    }
    for keys in ({"pem": PEM, "secretKeyRef": REF}, {"file": "x", "configMapKeyRef": REF},
                 {"secretKeyRef": REF, "configMapKeyRef": REF}):  # fmt: skip
        with pytest.raises(ConfigError, match="not both"):
            read_policy(policy(keys), source="it", refer=holding(keys=PEM.encode()))


def test_what_is_referred_to_is_part_of_the_policy() -> None:
    """Its digest is of the content too: what was found by other keys is not found by these."""
    first, same, other = (
        read_policy(policy(), source="it", refer=holding(keys=text.encode())) for text in (PEM, PEM, OTHER)
    )
    assert first.digest == same.digest != other.digest
    assert first.authorities[0].keys[0].pem == PEM
    with pytest.raises(ConfigError, match="no cluster is connected"):
        read_policy(policy(), source="it")


@pytest.mark.parametrize("content", [b"", b" \n"])
def test_a_root_that_is_empty_is_not_the_public_one(content: bytes) -> None:
    """Or whoever can write the object could have the public instance's word taken."""
    identity = {"issuer": "https://i", "subject": "s"}
    found = policy({"pem": PEM}, identities=[identity], trustedRoot={"secretKeyRef": REF})
    with pytest.raises(ConfigError, match="is empty"):
        read_policy(found, source="it", refer=holding(keys=content))


async def test_objects_are_read_by_name_and_once() -> None:
    """A ConfigMap's text and its bytes, a Secret's; another key of the same is no other question."""
    api = Api()
    binary = Place("ConfigMap", "", "binary", "k")
    api.put(SECRET, b"secret")
    api.put(CONFIG_MAP, "é".encode())
    api.put(binary, b"\xff", "binaryData")
    found = references(api)
    missing = msgspec.structs.replace(SECRET, key="other")
    await found.read([SECRET, CONFIG_MAP, binary, missing])
    assert len(api.asked) == 3
    assert [found.of_configuration(place) for place in (SECRET, CONFIG_MAP, binary)] == [
        b"secret",
        "é".encode(),
        b"\xff",
    ]
    for place, text in ((missing, "no such key"), (Place("Secret", "", "x", "k"), "not read yet")):
        with pytest.raises(ConfigError, match=text):
            found.of_configuration(place)


async def test_the_cluster_may_not_name_everything() -> None:
    """A TrustPolicy has keys from the gateway's namespace, and from those that the settings name."""
    api = Api()
    for place in (SECRET, CONFIG_MAP):
        api.put(place, b"x")
    for allowed, good in (((), False), (("other",), False), (("tr*",), True)):
        found = references(api, *allowed)
        await found.read([SECRET, CONFIG_MAP])
        assert found.of_cluster(CONFIG_MAP) == b"x"
        if good:
            assert found.of_cluster(SECRET) == b"x"
        else:
            with pytest.raises(ConfigError, match="referenceNamespaces"):
                found.of_cluster(SECRET)


async def test_what_is_gone_is_gone_and_what_is_away_is_not() -> None:
    """An API server that does not answer takes nothing from what was read; one that says no does."""
    api = Api()
    api.put(SECRET, b"x")
    for passing in (UnreachableError("away"), ApiError(503, "ServiceUnavailable", ""), ApiError(429, "Busy", "")):
        found = references(api)
        api.failing = passing
        await found.read([SECRET])
        with pytest.raises(ConfigError):
            found.of_configuration(SECRET)
        api.failing = None
        await found.read([SECRET])
        api.failing = passing
        await found.read([SECRET])
        assert found.of_configuration(SECRET) == b"x"
        api.failing = ApiError(403, "Forbidden", "not yours")
        await found.read([SECRET])
        with pytest.raises(ConfigError, match="403 Forbidden"):
            found.of_configuration(SECRET)
        api.failing = None


async def test_not_without_end() -> None:
    """What is beyond the bound is not read, and says so."""
    api = Api()
    many = [msgspec.structs.replace(SECRET, name=f"s{number:04}") for number in range(MAX_OBJECTS + 1)]
    found = references(api)
    await found.read(many)
    assert len(api.asked) == MAX_OBJECTS
    with pytest.raises(ConfigError, match=f"more than {MAX_OBJECTS}"):
        found.of_configuration(many[-1])


async def test_a_policy_whose_keys_cannot_be_read_is_undecided() -> None:
    """Even if it was in force before: what was there may have been revoked. Others are not concerned."""
    documents = {
        "p": {"metadata": {"name": "p"}, "spec": spec()},
        "q": {"metadata": {"name": "q"}, "spec": spec({"pem": PEM})},
    }
    good, problems = await read_all(documents, {}, holding(keys=PEM.encode()))
    assert not problems
    for refer in (holding(), holding(keys=b"garbage"), holding(keys=b"")):
        found, problems = await read_all(documents, good, refer)
        assert list(problems) == ["p"]
        assert "cannot be used" in found["p"].trust.unusable
        assert found["p"].trust.concerns("ghcr.io/acme/app")
        assert found["q"] is good["q"]
        again, problems = await read_all(documents, found, holding(keys=PEM.encode()))
        assert not problems
        assert again["p"].trust.digest == good["p"].trust.digest
    broken = {"p": {"metadata": {"name": "p"}, "spec": {**spec(), "formats": []}}}
    found, _ = await read_all(broken, good, holding(keys=PEM.encode()))
    assert found["p"].trust.unusable


async def test_so_is_one_of_the_configuration() -> None:
    """In its own mode; what has not changed is used again."""
    own = msgspec.structs.replace(policy(), mode="warn")
    good, problems = await read_own([own], {}, holding(keys=PEM.encode()))
    assert not problems
    same, _ = await read_own([own], good, holding(keys=PEM.encode()))
    assert same["p"] is good["p"]
    other, _ = await read_own([own], good, holding(keys=OTHER.encode()))
    assert other["p"].trust.digest != good["p"].trust.digest
    found, problems = await read_own([own], good, holding())
    assert list(problems) == ["p (configuration)"]
    assert found["p"].trust.unusable
    assert found["p"].trust.policy.mode == "warn"


async def written(body: Json, found: References | None) -> Judged:
    document = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": "p"}, "spec": body}
    subject = Subject(
        uid="u",
        operation="CREATE",
        kind=GroupVersionKind(GROUP, "v1alpha1", "TrustPolicy"),
        resource=GroupVersionResource(GROUP, "v1alpha1", "trustpolicies"),
        user=UserInfo(),
        name="p",
        raw_object=msgspec.json.encode(document),
    )
    said = await TrustPolicyGuard(OnError.DENY, found).judge(subject)
    assert isinstance(said, Judged)
    return said


async def test_a_policy_may_be_written_before_its_keys() -> None:
    """With a warning; but never one that could not be used, or that names what it may not."""
    api = Api()
    found = references(api, "trust")
    for some in (found, None):
        (finding,) = (await written(spec(), some)).findings
        assert finding.action is Action.WARN
        assert "undecided until it can be read" in finding.message
    wrong = spec(identities=[{"issuer": "i", "subjectRegexp": "open"}])
    for some, body in ((found, wrong), (None, wrong), (references(api), spec())):
        (finding,) = (await written(body, some)).findings
        assert finding.action is Action.DENY
    api.put(SECRET, PEM.encode())
    assert not (await written(spec(), found)).findings
    api.put(SECRET, b"open-sesame")
    (finding,) = (await written(spec(), found)).findings
    assert finding.action is Action.DENY
    assert "PEM" in finding.message
    assert "sesame" not in finding.message
