"""Secrets, SealedSecrets and ExternalSecrets as they are written: what the secrets guard says of them."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sealing import CANARY, certificate, encoded, sealing, secret

from gateway.config import Config
from gateway.config.secrets import Demand, Plain, SealedObjects, Secrets, SecretWriter
from gateway.core.errors import UndecidedError
from gateway.core.finding import Action
from gateway.core.guard import Indeterminate, Judged
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from gateway_secrets.admission.plain import demanded
from gateway_secrets.admission.targets import CONSENT, MANAGED
from gateway_secrets.sealed.objects import Secret
from gateway_secrets.sealed.scope import CLUSTER_WIDE, NAMESPACE_WIDE, Scope
from gateway_secrets.sealed.sealing import seal_secret
from policies.surroundings import ADMISSION
from webhooks.assembly import secrets_guard
from webhooks.secret_objects import no_secrets

Json = dict[str, Any]
ALICE = UserInfo("alice@example.com", groups=("developers",))
DEMANDED = Secrets(plain=Plain(demands=(Demand(),)))
SEALED_SECRETS = UserInfo("system:serviceaccount:kube-system:sealed-secrets-controller")


def subject(new: Json, old: Json | None = None, *, user: UserInfo = ALICE, namespace: str = "web") -> Subject:
    group, _, version = new["apiVersion"].rpartition("/")
    return Subject(
        uid="u",
        operation="CREATE" if old is None else "UPDATE",
        kind=GroupVersionKind(group, version, new["kind"]),
        resource=GroupVersionResource(),
        user=user,
        namespace=namespace,
        name=new["metadata"].get("name", ""),
        raw_object=json.dumps(new).encode(),
        raw_old_object=json.dumps(old).encode() if old is not None else b"",
    )


def plain(data: Json | None = None, type_: str = "Opaque", name: str = "db", **metadata: Any) -> Json:
    given = {"password": encoded(CANARY.encode())} if data is None else data
    return {"apiVersion": "v1", "kind": "Secret", "type": type_, "metadata": {"name": name} | metadata, "data": given}


async def judged(settings: Secrets, about: Subject, others: Any = no_secrets) -> list[tuple[str, Action, str]]:
    """Rule, action and field of what is found; no value is ever shown."""
    outcome = await secrets_guard(Config(secrets=settings), ADMISSION, others).judge(about)
    assert CANARY not in str(outcome)
    assert isinstance(outcome, Judged), outcome
    return [(found.rule, found.action, found.field) for found in outcome.findings]


DENIED = [("secrets/plain-secret", Action.DENY, "")]


async def test_a_plain_secret_is_denied_where_that_is_demanded() -> None:
    """Whoever writes it, whatever owner it names: an ownerReference is anybody's to write. Elsewhere nothing is said."""
    assert await judged(DEMANDED, subject(plain())) == DENIED
    owner = {"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "name": "db", "uid": "u", "controller": True}
    assert await judged(DEMANDED, subject(plain(ownerReferences=[owner]))) == DENIED
    assert await judged(Secrets(), subject(plain())) == []
    warned = Secrets(plain=Plain(demands=(Demand(action="warn"),)))
    assert await judged(warned, subject(plain())) == [("secrets/plain-secret", Action.WARN, "")]


@pytest.mark.parametrize(
    "user",
    [
        SEALED_SECRETS,
        UserInfo("system:serviceaccount:external-secrets:external-secrets"),
        UserInfo("system:serviceaccount:cert-manager:cert-manager"),
        UserInfo("system:serviceaccount:kube-system:tokens-controller"),
        UserInfo("system:serviceaccount:govgate-system:govgate", groups=("system:serviceaccounts:govgate-system",)),
    ],
)
async def test_controllers_write_the_secrets_that_they_make(user: UserInfo) -> None:
    """By the name that the API server knows them by."""
    assert await judged(DEMANDED, subject(plain(), user=user)) == []


@pytest.mark.parametrize(
    "secret_",
    [
        plain({}, "kubernetes.io/service-account-token"),
        plain({"password": ""}),
        plain({"password": encoded(b"<path:kv/data/web#password>")}),
        plain(
            {"release": encoded(base64.b64encode(gzip.compress(b"{}")))},
            "helm.sh/release.v1",
            "sh.helm.release.v1.api.v1",
        ),
    ],
)
async def test_what_holds_no_plain_value_is_let_be(secret_: Json) -> None:
    """A token that is to be filled in, a stand-in, a release of Helm's."""
    assert await judged(DEMANDED, subject(secret_)) == []


@pytest.mark.parametrize(
    "secret_",
    [
        plain(type_="kubernetes.io/service-account-token"),
        plain(type_="bootstrap.kubernetes.io/token"),
        plain(type_="helm.sh/release.v1", name="sh.helm.release.v1.api.v1"),
        plain({"release": encoded(CANARY.encode())}, "helm.sh/release.v1", "sh.helm.release.v1.api.v1"),
        plain(
            {"release": encoded(base64.b64encode(CANARY.encode()))}, "helm.sh/release.v1", "sh.helm.release.v1.api.v1"
        ),
        plain({"password": encoded(b"ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]")}),
    ],
)
async def test_a_type_alone_excuses_nothing(secret_: Json) -> None:
    """Nor does what only looks encrypted, nor a name."""
    assert await judged(DEMANDED, subject(secret_)) == DENIED


async def test_helm_and_bootstrap() -> None:
    """Helm's releases may be forbidden; bootstrap tokens are the cluster's own in kube-system."""
    release = plain(
        {"release": encoded(base64.b64encode(gzip.compress(b"{}")))}, "helm.sh/release.v1", "sh.helm.release.v1.api.v1"
    )
    strict = Secrets(plain=Plain(demands=(Demand(),), helm_releases=False), exempt_namespaces=())
    assert await judged(strict, subject(release)) == DENIED
    token = plain(type_="bootstrap.kubernetes.io/token")
    assert await judged(strict, subject(token, namespace="kube-system")) == []


async def test_what_was_there_is_recorded() -> None:
    """A change of labels holds nobody up; a changed or new value is denied."""
    assert await judged(DEMANDED, subject(plain(labels={"a": "b"}), plain())) == [
        ("secrets/plain-secret", Action.AUDIT, "")
    ]
    assert await judged(DEMANDED, subject(plain(), plain({"password": "b2xk"}))) == DENIED
    both = plain({"password": encoded(CANARY.encode()), "user": "Ym9i"})
    assert await judged(DEMANDED, subject(both, plain())) == DENIED


async def test_a_configured_writer() -> None:
    """Is one user or group, for some types in some namespaces, and with an owner of a kind if that is asked for."""
    postgres = UserInfo("system:serviceaccount:pg:operator")
    owner = {"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "db", "controller": True}
    writer = SecretWriter(
        name="pg",
        users=(postgres.username,),
        types=("kubernetes.io/*",),
        namespaces=("web",),
        owners=("Cluster.postgresql.cnpg.io",),
    )
    settings = Secrets(plain=Plain(demands=(Demand(),), writers=(writer,)))
    good = plain(type_="kubernetes.io/basic-auth", ownerReferences=[owner])
    assert await judged(settings, subject(good, user=postgres)) == []
    assert await judged(settings, subject(good)) == DENIED
    assert await judged(settings, subject(good, user=postgres, namespace="api")) == DENIED
    assert await judged(settings, subject(good | {"type": "Opaque"}, user=postgres)) == DENIED
    for wrong in ({"controller": False}, {"apiVersion": "v1"}, {"kind": 7}):
        odd = plain(type_="kubernetes.io/basic-auth", ownerReferences=[owner | wrong])
        assert await judged(settings, subject(odd, user=postgres)) == DENIED


def test_the_first_demand_that_matches_holds() -> None:
    """By namespace, its labels, and the Secret's; what is not known is not assumed."""
    demands = (
        Demand(namespaces=("sandbox-*",), action="off"),
        Demand(namespace_labels={"env": "prod*"}),
        Demand(labels={"team": "*"}, action="warn"),
    )
    item = plain(labels={"team": "a"})
    assert demanded(demands, item, "sandbox-1", None) == "off"
    assert demanded(demands, item, "web", {"env": "production"}) == "deny"
    assert demanded(demands, item, "web", {"env": "dev"}) == "warn"
    assert demanded(demands, plain(), "web", {}) == "off"
    with pytest.raises(UndecidedError, match="labels of Namespace web"):
        demanded(demands, item, "web", None)
    with pytest.raises(UndecidedError, match="which namespace"):
        demanded(demands, item, "", None)


async def test_labels_that_are_not_known_are_undecided() -> None:
    """Not allowed, and not denied."""
    settings = Secrets(plain=Plain(demands=(Demand(namespace_labels={"env": "prod"}),)))
    outcome = await secrets_guard(Config(secrets=settings)).judge(subject(plain()))
    assert isinstance(outcome, Indeterminate)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(
    [
        ("v1", "Secret"),
        ("bitnami.com/v1alpha1", "SealedSecret"),
        ("external-secrets.io/v1", "ExternalSecret"),
    ]
)


@given(KINDS, st.dictionaries(st.sampled_from(["data", "stringData", "type", "spec", "metadata"]), JSON))
async def test_odd_objects_raise_nothing(kind: tuple[str, str], fields: Json) -> None:
    """Whatever is in them: the API server, or another rule, says what is wrong."""
    new = {"apiVersion": kind[0], "kind": kind[1]} | fields
    about = subject(new | {"metadata": {"name": "x"}})
    about.raw_object = json.dumps(new).encode()
    settings = Secrets(plain=Plain(demands=(Demand(),)), foreign_targets="deny")

    async def nothing(_namespace: str, _name: str) -> None:
        return None

    await secrets_guard(Config(secrets=settings), ADMISSION, nothing).judge(about)


def sealed(scope: Scope = Scope.STRICT, namespace: str = "web", name: str = "db") -> Json:
    return seal_secret(secret(name, namespace), scope, sealing(digests=None)).document


def places(document: Json, name: str = "db") -> Json:
    return document | {"metadata": document["metadata"] | {"name": name}}


PASSWORD = "spec.encryptedData.password"


@pytest.mark.parametrize("scope", list(Scope))
async def test_sealed_where_it_stands(scope: Scope) -> None:
    """Nothing is said; nor where no notes tell, and no template does."""
    assert await judged(Secrets(), subject(sealed(scope))) == []
    unnoted = seal_secret(secret(), scope, sealing(notes=False)).document
    assert await judged(Secrets(), subject(unnoted)) == []
    del unnoted["spec"]["template"]
    assert await judged(Secrets(), subject(places(unnoted, "other"), namespace="api")) == []


@pytest.mark.parametrize(
    ("scope", "fields"),
    [
        (Scope.STRICT, ["name", "namespace"]),
        (Scope.NAMESPACE_WIDE, [None, "namespace"]),
        (Scope.CLUSTER_WIDE, [None] * 2),
    ],
)
async def test_without_notes_a_template_gives_a_hint(scope: Scope, fields: list[str | None]) -> None:
    """kubeseal writes into it what it sealed for: a warning, since it may say anything; what was there is recorded."""
    unnoted = seal_secret(secret(), scope, sealing(notes=False)).document
    renamed = places(unnoted, "other")
    said = [
        [("secrets/sealed-elsewhere", Action.WARN, f"spec.template.metadata.{field}")] if field else []
        for field in fields
    ]
    assert await judged(Secrets(), subject(renamed)) == said[0]
    assert await judged(Secrets(), subject(unnoted, namespace="api")) == said[1]
    if fields[0]:
        assert [action for _, action, _ in await judged(Secrets(), subject(renamed, renamed))] == [Action.AUDIT]


async def test_sealed_for_another_place() -> None:
    """Another name or namespace, as far as the scope binds to them; it is not possible that it opens."""
    elsewhere = [("secrets/sealed-elsewhere", Action.DENY, PASSWORD)]
    assert await judged(Secrets(), subject(places(sealed(), "other"))) == elsewhere
    assert await judged(Secrets(), subject(sealed(), namespace="api")) == elsewhere
    assert await judged(Secrets(), subject(places(sealed(Scope.NAMESPACE_WIDE), "other"))) == []
    assert await judged(Secrets(), subject(sealed(Scope.NAMESPACE_WIDE), namespace="api")) == elsewhere
    assert await judged(Secrets(), subject(places(sealed(Scope.CLUSTER_WIDE), "other"), namespace="api")) == []
    off = Secrets(sealed=SealedObjects(elsewhere="off"))
    assert await judged(off, subject(sealed(), namespace="api")) == []


@pytest.mark.parametrize("notes", [True, False])
async def test_the_scope_is_changed_after_sealing(notes: bool) -> None:
    """With notes it is seen at once; without, by an update that leaves the sealed value as it was."""
    before = seal_secret(secret(), Scope.STRICT, sealing(notes=notes)).document
    after = json.loads(json.dumps(before))
    after["metadata"]["annotations"] = after["metadata"].get("annotations", {}) | {CLUSTER_WIDE: "true"}
    found = [("secrets/sealed-scope", Action.DENY, PASSWORD)]
    assert await judged(Secrets(), subject(after, before)) == found
    assert await judged(Secrets(), subject(after)) == (found if notes else [])
    again = seal_secret(secret(), Scope.CLUSTER_WIDE, sealing(notes=notes)).document
    assert await judged(Secrets(), subject(again, before)) == []


async def test_a_wrong_place_that_was_there_is_recorded() -> None:
    """An update of something else goes through; one that makes it worse does not."""
    before = places(sealed(), "other")
    labelled = before | {"metadata": before["metadata"] | {"labels": {"a": "b"}}}
    assert await judged(Secrets(), subject(labelled, before)) == [("secrets/sealed-elsewhere", Action.AUDIT, PASSWORD)]
    wide = json.loads(json.dumps(before))
    wide["metadata"]["annotations"][NAMESPACE_WIDE] = "true"
    assert await judged(Secrets(), subject(wide, before)) == [("secrets/sealed-scope", Action.DENY, PASSWORD)]


async def test_the_certificate_of_another_cluster_is_warned_of() -> None:
    """Where this cluster's are configured."""
    ours, theirs = (Secrets(sealed=SealedObjects(certificates=(one,))) for one in (certificate().fingerprint, "0" * 64))
    assert await judged(ours, subject(sealed())) == []
    assert await judged(theirs, subject(sealed())) == [("secrets/sealed-certificate", Action.WARN, PASSWORD)]


FOREIGN = Secrets(foreign_targets="deny", external="off")
TARGET = "spec.target.name"


def external(policy: str = "", target: str = "db", name: str = "db", version: str = "v1") -> Json:
    stated = ({"creationPolicy": policy} if policy else {}) | ({"name": target} if target else {})
    spec: Json = {"secretStoreRef": {"name": "kv"}, "dataFrom": [{"extract": {"key": "db"}}]}
    spec |= {"target": stated} if stated else {}
    return {
        "apiVersion": f"external-secrets.io/{version}",
        "kind": "ExternalSecret",
        "metadata": {"name": name},
        "spec": spec,
    }


def there(metadata: Json | None) -> Any:
    async def look(namespace: str, name: str) -> Json | None:
        assert (namespace, name) == ("web", "db")
        return None if metadata is None else {"metadata": metadata}

    return look


def owned(kind: str, name: str, group: str = "external-secrets.io/v1") -> Json:
    return {"ownerReferences": [{"apiVersion": group, "kind": kind, "name": name, "controller": True}]}


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
@pytest.mark.parametrize(
    ("policy", "metadata", "action"),
    [
        ("", None, None),
        ("", {}, Action.DENY),
        ("Owner", {}, Action.DENY),
        ("Orphan", {}, Action.DENY),
        ("CreateOrMerge", {}, Action.DENY),
        ("Merge", {}, Action.WARN),
        ("Merge", owned("SealedSecret", "db", "bitnami.com/v1alpha1"), Action.DENY),
        ("", owned("ExternalSecret", "db", "external-secrets.io/v1beta1"), None),
        ("", owned("ExternalSecret", "other"), Action.DENY),
        ("", owned("ExternalSecret", "db", "example.com/v1"), Action.DENY),
        ("Orphan", {"labels": {MANAGED: "true"}}, Action.WARN),
        ("None", {}, None),
        ("", {"annotations": {CONSENT: "a, db"}}, None),
        ("", {"annotations": {CONSENT: "db-2"}}, Action.DENY),
    ],
)
async def test_an_external_secret_over_another_secret(
    version: str, policy: str, metadata: Json | None, action: Action | None
) -> None:
    """Whose it is is told by its controller; who may write it lets another one in by an annotation."""
    found = await judged(FOREIGN, subject(external(policy, version=version)), there(metadata))
    assert found == ([("secrets/foreign-target", action, TARGET)] if action else [])


async def test_the_target_is_the_name_by_default() -> None:
    """And an update that leaves it does not ask again; one that changes it does."""
    assert await judged(FOREIGN, subject(external(target="")), there({})) == [
        ("secrets/foreign-target", Action.DENY, TARGET)
    ]
    assert await judged(FOREIGN, subject(external(), external(target="")), no_secrets) == []
    assert await judged(FOREIGN, subject(external(), external("None")), there({})) != []
    assert await judged(FOREIGN, subject(external(name="a"), external(target="x", name="a")), there({})) != []


async def test_a_secret_that_may_not_be_read_is_undecided() -> None:
    """And nothing is asked for if that is off."""
    outcome = await secrets_guard(Config(secrets=FOREIGN)).judge(subject(external()))
    assert isinstance(outcome, Indeterminate)
    assert "web/db" in outcome.reason
    assert await judged(Secrets(), subject(external())) == []


def test_a_noted_place_is_of_the_label() -> None:
    """A value that is merged into a SealedSecret is noted with the place of that one."""
    document = seal_secret(Secret("db", "web", {"a": b"1"}), Scope.NAMESPACE_WIDE, sealing()).document
    (note,) = json.loads(document["metadata"]["annotations"]["seal.govgate.dev/certificates"])
    assert note["for"] == "namespace-wide web"
