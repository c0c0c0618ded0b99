"""AWS Secrets Manager, as moto has it."""

from __future__ import annotations

import asyncio
import logging
import uuid

import pytest
from support.leaks import leaks

from gateway.controllers.external.shared import Shared
from gateway.controllers.external.stores import Bounds, Stores
from gateway_secrets.external.store import store_of
from gateway_secrets.stores.credentials import NoCredentials
from gateway_secrets.stores.errors import ForbiddenError, MisconfiguredError, NotFoundError, UnusableError
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Find, Payload, Reference


@pytest.fixture
def manager(moto):
    return moto.client("secretsmanager")


@pytest.fixture
def name():
    """Of a secret that no other test has."""
    return f"team/{uuid.uuid4().hex}"


async def test_values_and_versions(manager, open_aws, name):
    """The newest, that of a label, and that of an id, as ``uuid/ID``; the version and the time of what was read."""
    first = manager.create_secret(Name=name, SecretString='{"password": "one", "port": 5432}')["VersionId"]
    second = manager.put_secret_value(SecretId=name, SecretString='{"password": "two", "a.b": "c"}')["VersionId"]
    store = await open_aws()
    newest = await store.get(Reference(name, "password"))
    assert (newest.value, newest.version) == (b"two", second)
    assert newest.created.startswith("20")
    assert newest.created.endswith("Z")
    for version in ("AWSPREVIOUS", f"uuid/{first}"):
        old = await store.get(Reference(name, "password", version))
        assert (old.value, old.version) == (b"one", first)
    assert (await store.get(Reference(name))).value == b'{"password": "two", "a.b": "c"}'
    assert (await store.get(Reference(name, "a.b"))).value == b"c"
    pairs = await store.get_map(Reference(name, version="AWSPREVIOUS"))
    assert {key: secret.value for key, secret in pairs.items()} == {"password": b"one", "port": b"5432"}


async def test_bytes_stay_bytes(manager, open_aws, name):
    """Also those that are no text."""
    manager.create_secret(Name=name, SecretBinary=b"\x00\xff\xfe")
    assert (await (await open_aws()).get(Reference(name))).value == b"\x00\xff\xfe"


@pytest.mark.native
async def test_what_is_not_there_is_not_found(manager, open_aws, name):
    """No secret, no version, no property, or one that waits for its deletion."""
    manager.create_secret(Name=name, SecretString='{"a": "b"}')
    gone = f"{name}-gone"
    manager.create_secret(Name=gone, SecretString="x")
    manager.delete_secret(SecretId=gone)
    store = await open_aws()
    for reference in (
        Reference(f"{name}-none"), Reference(name, version="AWSPENDING"), Reference(name, version=f"uuid/{uuid.uuid4()}"),
        Reference(name, "c"), Reference(gone),
    ):  # fmt: skip
        with pytest.raises(NotFoundError, match=reference.key):
            await store.get(reference)
    with pytest.raises(NotFoundError):
        await store.describe(gone)


async def test_the_version_is_known_without_the_value(moto, manager, open_aws, name):
    """And the tags, which are what ``metadataPolicy: Fetch`` gives."""
    made = manager.create_secret(Name=name, SecretString="x", Tags=[{"Key": "team", "Value": "a"}])
    store = await open_aws()
    moto.forget()
    assert (await store.describe(name)).version == made["VersionId"]
    assert (await store.get(Reference(name, "team", metadata_policy="Fetch"))).value == b"a"
    assert {request["Action"] for request in moto.asked()} == {"DescribeSecret"}


@pytest.mark.native
async def test_secrets_are_found_by_name_path_and_tags(manager, open_aws, name):
    """All conditions at once; with a prefix, inside it, and by names that can be read."""
    for part, team in (("a", "x"), ("deep/b", "x"), ("deep/c", "y")):
        tags = [{"Key": "team", "Value": team}, {"Key": "other", "Value": "x"}]
        manager.create_secret(Name=f"{name}/{part}", SecretString=part, Tags=tags)
    store = await open_aws()
    assert await store.find(Find(path=name)) == [f"{name}/a", f"{name}/deep/b", f"{name}/deep/c"]
    assert await store.find(Find(path=name, name="/[bc]$")) == [f"{name}/deep/b", f"{name}/deep/c"]
    assert await store.find(Find(path=name, name="deep", tags={"team": "x"})) == [f"{name}/deep/b"]
    inside = await open_aws(prefix=f"{name}/")
    assert await inside.find(Find(path="deep/")) == ["deep/b", "deep/c"]
    assert (await inside.get(Reference("deep/b"))).value == b"deep/b"
    with pytest.raises(MisconfiguredError, match=r"find\.name"):
        await store.find(Find(path=name, name="("))


async def test_many_secrets_are_read_in_few_requests(moto, manager, open_aws, name):
    """Twenty in one; a key with several properties is read once; what is not there is told for itself."""
    for number in range(23):
        manager.create_secret(Name=f"{name}/{number}", SecretString=f'{{"a": "{number}", "b": "x"}}')
    references = [Reference(f"{name}/{number}", part) for number in range(23) for part in ("a", "b")]
    store = await open_aws()
    moto.forget()
    found = await store.get_many([*references, Reference(f"{name}/none"), Reference(f"{name}/0", "c.d")])
    assert [secret.value for secret in found[:46:2]] == [str(number).encode() for number in range(23)]
    assert [type(secret) for secret in found[46:]] == [NotFoundError, NotFoundError]
    assert sorted(len(request["SecretIdList"]) for request in moto.asked("BatchGetSecretValue")) == [4, 20]
    assert moto.asked("GetSecretValue") == []


async def test_without_the_right_to_batches_each_is_read_by_itself(moto, manager, open_aws, name, credentials):
    """Batches need a right of their own, which policies for ESO seldom grant: it is tried once."""
    for number in range(3):
        manager.create_secret(Name=f"{name}/{number}", SecretString=str(number))
    credentials.add("aws", **_user(moto, "secretsmanager:GetSecretValue"))
    store = await open_aws()
    moto.enforce(True)
    moto.forget()
    for _ in range(2):
        found = await store.get_many([Reference(f"{name}/{number}") for number in range(3)])
        assert [secret.value for secret in found] == [b"0", b"1", b"2"]
    assert len(moto.asked("BatchGetSecretValue")) == 1
    assert len(moto.asked("GetSecretValue")) == 6


def _user(moto, *actions):
    """The keys of a new user who may do so much."""
    iam, who = moto.client("iam"), f"user-{uuid.uuid4().hex}"
    iam.create_user(UserName=who)
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    document = str({"Version": "2012-10-17", "Statement": [statement]}).replace("'", '"')
    iam.put_user_policy(UserName=who, PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName=who)["AccessKey"]
    return {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}


async def test_wrong_keys_and_missing_rights_are_forbidden(moto, manager, open_aws, name, credentials):
    """Neither names a key."""
    manager.create_secret(Name=name, SecretString="x")
    good = _user(moto, "secretsmanager:GetSecretValue")
    moto.enforce(True)
    for keys in (
        _user_without_rights(moto),
        {**good, "secret": "Wq2-mismatched-Xy7/+aaaa"},
        {**good, "id": "AKIANOBODY"},
    ):
        credentials.add("aws", **keys)
        store = await open_aws()
        with pytest.raises(ForbiddenError, match=name) as caught:
            await store.get(Reference(name))
        assert leaks(str(caught.value), [keys["secret"]]) == []


def _user_without_rights(moto):
    moto.enforce(False)
    keys = _user(moto, "iam:GetUser")
    moto.enforce(True)
    return keys


async def test_keys_that_were_replaced_in_their_secret_are_taken_from_there(moto, manager, open_aws, name, credentials):
    """The read that the old ones are refused to succeeds."""
    manager.create_secret(Name=name, SecretString="x")
    old, new = _user(moto, "secretsmanager:GetSecretValue"), _user(moto, "secretsmanager:GetSecretValue")
    credentials.add("aws", **old)
    store = await open_aws()
    moto.enforce(True)
    assert (await store.get(Reference(name))).value == b"x"
    moto.enforce(False)
    iam = moto.client("iam")
    owner = iam.get_access_key_last_used(AccessKeyId=old["id"])["UserName"]
    iam.delete_access_key(UserName=owner, AccessKeyId=old["id"])
    moto.enforce(True)
    with pytest.raises(ForbiddenError):
        await store.get(Reference(name))
    credentials.add("aws", **new)
    assert (await store.get(Reference(name))).value == b"x"


async def test_secrets_are_pushed(moto, manager, open_aws, name):
    """As a whole, or one property of an object; what is there already is not written again."""
    store = await open_aws()
    first = await store.put(Reference(name, "user"), b"robot")
    second = await store.put(Reference(name, "password"), "geheim-€".encode())
    assert first != second
    found = await store.get(Reference(name))
    assert (found.value, found.version) == ('{"password":"geheim-€","user":"robot"}'.encode(), second)
    moto.forget()
    assert await store.put(Reference(name, "user"), b"robot") == second
    assert moto.asked("PutSecretValue") == []
    await store.put(Reference(name), b"\xff")
    assert (await store.get(Reference(name))).value == b"\xff"
    with pytest.raises(UnusableError, match="no JSON object"):
        await store.put(Reference(name, "user"), b"robot")


async def test_pushed_secrets_are_deleted(manager, open_aws, name):
    """Property by property; with the last one the secret. Pushed again, it is taken back."""
    store = await open_aws(secretsManager={"recoveryWindowInDays": 7})
    await store.put(Reference(name, "a"), b"1")
    await store.put(Reference(name, "b"), b"2")
    await store.delete(Reference(name, "a"))
    assert (await store.get(Reference(name))).value == b'{"b":"2"}'
    await store.delete(Reference(name, "b"))
    await store.delete(Reference(f"{name}-never"))
    with pytest.raises(NotFoundError):
        await store.get(Reference(name))
    await store.put(Reference(name), b"again")
    assert (await store.get(Reference(name))).value == b"again"


async def test_what_somebody_else_made_is_left_alone(manager, open_aws, name):
    """Neither overwritten nor deleted."""
    manager.create_secret(Name=name, SecretString="theirs")
    store = await open_aws()
    for change in (store.put(Reference(name), b"ours"), store.delete(Reference(name))):
        with pytest.raises(MisconfiguredError, match="not made by pushing"):
            await change
    assert (await store.get(Reference(name))).value == b"theirs"


async def test_botocore_logs_no_value(manager, open_aws, name, caplog, credentials):
    """At DEBUG it would log what it is answered."""
    value, secret = "planted-Value-Xq81/+", "planted-Key-Zr55/+"
    manager.create_secret(Name=name, SecretString=value)
    credentials.add("aws", secret=secret)
    with caplog.at_level(logging.DEBUG):
        assert (await (await open_aws()).get(Reference(name))).value == value.encode()
    assert leaks(caplog.text, [value, secret]) == []


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"service": "Other"}, "service: not one of the values"),
        ({"region": ""}, "region is empty"),
        ({"auth": {"secretRef": {}}}, "secretRef"),
        ({"auth": {}}, "auth is not set; a SecretStore needs credentials of its own"),
        ({"secretsManager": {"recoveryWindowInDays": 3}}, "7 to 30"),
        ({"secretsManager": {"recoveryWindowInDays": 9, "forceDeleteWithoutRecovery": True}}, "not with force"),
        ({"auth": {"jwt": {"serviceAccountRef": {"name": "x"}}}}, "not connected to a cluster"),
        ({"regions": "x"}, "unknown field `regions`"),
    ],
)
async def test_manifests_that_cannot_work_say_why(open_aws, spec, says):
    """With the field, before anything is sent."""
    with pytest.raises(MisconfiguredError, match=says):
        await (await open_aws(**spec)).get(Reference("a"))


@pytest.mark.parametrize("service", ["SecretsManager", "ParameterStore"])
async def test_what_the_controller_reads_one_by_one_goes_in_batches(moto, open_aws, name, service):
    """Through all that is shared: few requests, each once in the rate, each path with its own result, and read once in a window."""
    size, operation, single = {
        "SecretsManager": (20, "BatchGetSecretValue", "GetSecretValue"),
        "ParameterStore": (10, "GetParameters", "GetParameter"),
    }[service]
    keys = [f"/{name}/{number}" for number in range(2 * size)]
    for key in keys[1:]:
        if service == "SecretsManager":
            moto.client("secretsmanager").create_secret(Name=key, SecretString=f'{{"k": "{key}"}}')
        else:
            moto.client("ssm").put_parameter(Name=key, Value=f'{{"k": "{key}"}}', Type="SecureString")
    # Two requests are all that the rate allows; nothing is sent by the clock.
    limits = StoreLimits(requests_per_second=0.001, burst_requests=2, gather_seconds=3_600.0)

    async def opener(_store, _namespace):
        return await open_aws(limits=limits, service=service)

    stores, shared = Stores(NoCredentials(), Bounds(1.0), opener=opener), Shared(1 << 20, 1 << 20, clock=lambda: 100.0)
    cloud = store_of({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "cloud", "namespace": "a"},
        "spec": {"provider": {"aws": {}}},
    })  # fmt: skip

    def read(key):
        return shared.get(
            (key,), "a", 50.0, lambda: stores.ask(cloud, "a", lambda reader: reader.gathered(Reference(key)))
        )

    moto.forget()
    for _ in range(2):
        found = await asyncio.gather(*[read(key) for key in keys * 2], return_exceptions=True)
        assert [type(one) for one in found[:: len(keys)]] == [NotFoundError] * 2
        values = [one.payload.fields["k"].decode() for one in found if not isinstance(one, Exception)]
        assert values == keys[1:] * 2
    assert len(moto.asked(operation)) == 2
    assert moto.asked(single) == []
    await stores.close()


@pytest.mark.parametrize("service", ["SecretsManager", "ParameterStore"])
async def test_a_key_that_aws_takes_for_none_fails_alone(moto, open_aws, name, service):
    """Though AWS refuses the whole batch for it: the others are read by themselves."""
    keys = [f"/{name}/one", "", f"/{name}/two"]
    for key in keys[::2]:
        if service == "SecretsManager":
            moto.client("secretsmanager").create_secret(Name=key, SecretString=key)
        else:
            moto.client("ssm").put_parameter(Name=key, Value=key, Type="SecureString")
    found = await (await open_aws(service=service)).payloads([Reference(key) for key in keys])
    assert [one.whole.decode() if isinstance(one, Payload) else type(one) for one in found] == [
        keys[0], MisconfiguredError, keys[2],
    ]  # fmt: skip


async def test_tags_and_a_description_are_pushed(moto, manager, open_aws, name):
    """These tags and the mark, and no others; what is so already is not written again; what is not known is refused."""

    def metadata(**spec):
        return {"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata", "spec": spec}

    store = await open_aws()
    said = metadata(tags={"team": "a", "old": "x"}, description="of the tests")
    await store.put(Reference(name, "a"), b"1", said)
    await store.put(Reference(name, "a"), b"1", metadata(tags={"team": "b"}))
    found = manager.describe_secret(SecretId=name)
    assert {one["Key"]: one["Value"] for one in found["Tags"]} == {"team": "b", "managed-by": "external-secrets"}
    assert found["Description"] == "of the tests"
    moto.forget()
    await store.put(Reference(name, "a"), b"1", metadata(tags={"team": "b"}))
    assert not moto.asked("TagResource") + moto.asked("UntagResource") + moto.asked("UpdateSecret")
    with pytest.raises(MisconfiguredError, match=r"metadata.spec: .*replicationLocations"):
        await store.put(Reference(name, "a"), b"2", metadata(replicationLocations=["eu-west-1"]))
    assert (await store.get(Reference(name))).value == b'{"a":"1"}'
