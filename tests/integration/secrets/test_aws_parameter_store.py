"""AWS Parameter Store, as moto has it."""

from __future__ import annotations

import uuid

import pytest

from gateway_secrets.stores.errors import MisconfiguredError, NotFoundError, UnusableError
from gateway_secrets.stores.model import Find, Reference


@pytest.fixture
def ssm(moto):
    return moto.client("ssm")


@pytest.fixture
def name():
    """Of a parameter that no other test has."""
    return f"/team/{uuid.uuid4().hex}"


@pytest.fixture
async def store(open_aws):
    return await open_aws(service="ParameterStore")


def _put(ssm, name, *values, **options):
    for number, value in enumerate(values):
        ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=number > 0, **options)


async def test_values_and_versions(ssm, store, name):
    """Decrypted; the newest, or the version that is named."""
    _put(ssm, name, '{"a": "one"}', '{"a": "two"}')
    newest = await store.get(Reference(name, "a"))
    assert (newest.value, newest.version) == (b"two", "2")
    assert newest.created.startswith("20")
    assert (await store.get(Reference(name, "a", "1"))).value == b"one"
    assert (await store.get(Reference(name))).value == b'{"a": "two"}'


async def test_what_is_not_there_is_not_found(ssm, store, name):
    """No parameter, or no such version of it."""
    _put(ssm, name, "x")
    for reference in (Reference(f"{name}-none"), Reference(name, version="7")):
        with pytest.raises(NotFoundError, match=name):
            await store.get(reference)


async def test_the_version_is_known_without_the_value(moto, ssm, store, name):
    """What is asked for is not decrypted; tags are what ``metadataPolicy: Fetch`` gives."""
    _put(ssm, name, "x", Tags=[{"Key": "team", "Value": "a"}])
    moto.forget()
    assert (await store.describe(name)).version == "1"
    assert (await store.get(Reference(name, "team", metadata_policy="Fetch"))).value == b"a"
    assert {request["WithDecryption"] for request in moto.asked("GetParameter")} == {False}


@pytest.mark.native
async def test_parameters_are_found_by_name_path_and_tags(ssm, store, open_aws, name):
    """However deep; with a prefix, by names inside it."""
    for part, team in (("a", "x"), ("deep/b", "x"), ("deep/c", "y")):
        _put(ssm, f"{name}/{part}", part, Tags=[{"Key": "team", "Value": team}])
    assert await store.find(Find(path=name)) == [f"{name}/a", f"{name}/deep/b", f"{name}/deep/c"]
    assert await store.find(Find(path=name, name="/[bc]$")) == [f"{name}/deep/b", f"{name}/deep/c"]
    assert await store.find(Find(path=name, name="deep", tags={"team": "x"})) == [f"{name}/deep/b"]
    inside = await open_aws(service="ParameterStore", prefix=f"{name}/")
    assert await inside.find(Find(path="deep")) == ["deep/b", "deep/c"]
    assert (await inside.get(Reference("deep/b"))).value == b"deep/b"


async def test_many_parameters_are_read_in_few_requests(moto, ssm, store, name):
    """Ten in one; what is not there is told for itself."""
    for number in range(12):
        _put(ssm, f"{name}/{number}", str(number))
    moto.forget()
    found = await store.get_many([Reference(f"{name}/{number}") for number in (*range(12), "none")])
    assert [secret.value for secret in found[:12]] == [str(number).encode() for number in range(12)]
    assert isinstance(found[12], NotFoundError)
    assert sorted(len(request["Names"]) for request in moto.asked("GetParameters")) == [3, 10]
    assert moto.asked("GetParameter") == []


async def test_parameters_are_pushed_and_deleted(ssm, store, name):
    """Property by property; encrypted; nobody else's."""
    assert await store.put(Reference(name, "a"), b"1") == "1"
    assert await store.put(Reference(name, "b"), b"2") == "2"
    assert await store.put(Reference(name, "b"), b"2") == "2"
    assert ssm.get_parameter(Name=name)["Parameter"]["Type"] == "SecureString"
    await store.delete(Reference(name, "a"))
    assert (await store.get(Reference(name))).value == b'{"b":"2"}'
    await store.delete(Reference(name, "b"))
    await store.delete(Reference(name))
    with pytest.raises(NotFoundError):
        await store.get(Reference(name))
    with pytest.raises(UnusableError, match="text only"):
        await store.put(Reference(name), b"\xff")
    _put(ssm, name, "theirs")
    for change in (store.put(Reference(name), b"ours"), store.delete(Reference(name))):
        with pytest.raises(MisconfiguredError, match="not made by pushing"):
            await change


async def test_tags_of_parameters_are_pushed(ssm, store, name):
    """These and the mark, and no others."""

    def metadata(**spec):
        return {"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata", "spec": spec}

    await store.put(Reference(name), b"1", metadata(tags={"team": "a", "old": "x"}))
    await store.put(Reference(name), b"1", metadata(tags={"team": "b"}))
    found = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    assert {one["Key"]: one["Value"] for one in found} == {"team": "b", "managed-by": "external-secrets"}
    with pytest.raises(MisconfiguredError, match="description: is not done here"):
        await store.put(Reference(name), b"1", metadata(description="x"))
