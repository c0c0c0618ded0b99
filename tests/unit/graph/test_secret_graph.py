"""Which path reaches which Secret and workload: a graph of names, and what is taken out of it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.external import external_secret

from gateway_secrets.graph import build
from gateway_secrets.graph.build import Builder, TooLargeError
from gateway_secrets.graph.model import Edge, Graph, Node, Wanted, selected

Json = dict[str, Any]


def graph_of(*documents: Json, **known: bool) -> Graph:
    builder = Builder()
    for document in documents:
        builder.add(document)
    assert not builder.problems
    return builder.graph(**known)


def ways(graph: Graph) -> set[tuple[str, str, tuple[str, ...]]]:
    return {(edge.start.id, edge.end.id, edge.how) for edge in graph.edges}


def dangling(graph: Graph) -> dict[str, str]:
    return {one.node.id: one.problem for one in graph.dangling}


def workload(kind: str = "Deployment", name: str = "api", namespace: str = "web", **pod: Any) -> Json:
    template = {"spec": {"containers": [{"name": "c"}], **pod}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-of-{name}"},
        "spec": {"template": template},
    }


def secret(name: str, **metadata: Any) -> Json:
    meta = {"name": name, "namespace": "web", **metadata}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"a": "Y2FuYXJ5"}}


def store(name: str = "vault", kind: str = "SecretStore", **vault: Any) -> Json:
    meta = {"name": name} | ({"namespace": "web"} if kind == "SecretStore" else {})
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": kind,
        "metadata": meta,
        "spec": {"provider": {"vault": vault}},
    }


def test_from_a_path_to_a_workload() -> None:
    """Each step says by which fields; a store that is there, and a Secret that is made and used, dangle nowhere."""
    env = [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]
    made = graph_of(store(), external_secret(), workload(containers=[{"name": "c", "env": env}]))
    assert ways(made) == {
        ("path/SecretStore/web/vault/team/db", "ExternalSecret.external-secrets.io/web/db", ("password as password",)),
        ("ExternalSecret.external-secrets.io/web/db", "Secret/web/db", ()),
        ("Secret/web/db", "Deployment.apps/web/api", ("env PASSWORD of c",)),
    }
    assert made.dangling == ()


@pytest.mark.parametrize(
    ("pod", "how"),
    [
        ({"containers": [{"name": "c", "envFrom": [{"prefix": "P_", "secretRef": {"name": "db"}}]}]}, "envFrom of c as P_*"),
        ({"volumes": [{"name": "v", "secret": {"secretName": "db"}}]}, "volume v"),
        ({"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "db"}}]}}]}, "volume v (projected)"),
        ({"volumes": [{"name": "v", "csi": {"nodePublishSecretRef": {"name": "db"}}}]}, "volume v"),
        ({"volumes": [{"name": "v", "azureFile": {"secretName": "db"}}]}, "volume v"),
        ({"imagePullSecrets": [{"name": "db"}]}, "imagePullSecrets"),
        ({"initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "db"}}]}]}, "envFrom of i"),
    ],
)  # fmt: skip
def test_all_that_a_pod_uses(pod: Json, how: str) -> None:
    """By environment, volumes of any sort, and for its images."""
    made = graph_of(workload(**pod))
    assert ways(made) == {("Secret/web/db", "Deployment.apps/web/api", (how,))}
    assert dangling(made) == {"Secret/web/db": "nothing here makes it"}


@pytest.mark.parametrize("kind", ["Pod", "CronJob", "Rollout"])
def test_pods_are_found_in_whatever_makes_them(kind: str) -> None:
    """A pod, a CronJob, and kinds that nobody here has heard of."""
    pod = {"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "db"}}]}]}
    spec = {"Pod": pod, "CronJob": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}}.get(
        kind, {"template": {"spec": pod}}
    )
    made = graph_of({"apiVersion": "x/v1", "kind": kind, "metadata": {"name": "a", "namespace": "web"}, "spec": spec})
    assert [edge.end.kind for edge in made.edges] == [kind]


def test_a_service_account_stands_between() -> None:
    """Its Secrets reach the pods that run as it; an account without any is not in the graph."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": "web"}}
    made = graph_of(
        {**account, "imagePullSecrets": [{"name": "pull"}]},
        workload(serviceAccountName="app"),
        workload(name="other"),
    )
    assert ways(made) == {
        ("Secret/web/pull", "ServiceAccount/web/app", ("imagePullSecrets",)),
        ("ServiceAccount/web/app", "Deployment.apps/web/api", ("serviceAccountName",)),
    }


def test_who_else_uses_secrets() -> None:
    """An Ingress its certificates, a store its credentials, of its own namespace or the one that it names."""
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "www", "namespace": "web"},
        "spec": {"tls": [{"secretName": "cert"}]},
    }
    auth = {"appRole": {"roleId": "x", "secretRef": {"name": "approle", "key": "id"}}}
    shared = {"tokenSecretRef": {"name": "token", "key": "t", "namespace": "vault"}}
    ca = {"type": "ConfigMap", "name": "ca", "key": "ca.crt"}
    made = graph_of(ingress, store(auth=auth, caProvider=ca), store("all", "ClusterSecretStore", auth=shared))
    assert {(start, end) for start, end, _ in ways(made)} == {
        ("Secret/web/cert", "Ingress.networking.k8s.io/web/www"),
        ("Secret/web/approle", "SecretStore.external-secrets.io/web/vault"),
        ("Secret/vault/token", "ClusterSecretStore.external-secrets.io//all"),
    }


def test_all_that_an_external_secret_reads() -> None:
    """Paths, searches, generators; of each entry its own store."""
    other = {"storeRef": {"name": "all", "kind": "ClusterSecretStore"}}
    made = graph_of(
        external_secret(
            target={"name": "made", "creationPolicy": "Merge"},
            data=[{"secretKey": "a", "remoteRef": {"key": "x", "version": "3"}, "sourceRef": other}],
            dataFrom=[
                {"extract": {"key": "y"}},
                {"find": {"path": "team", "name": {"regexp": "^a"}, "tags": {"b": "c"}}},
                {"sourceRef": {"generatorRef": {"kind": "Password", "name": "pw"}}},
            ],
        )
    )
    assert {(start, how) for start, end, how in ways(made) if "ExternalSecret" in end} == {
        ("path/ClusterSecretStore/all/x", ("the whole of version 3 as a",)),
        ("path/SecretStore/web/vault/y", ("dataFrom[0]: all keys of the whole",)),
        ("search/SecretStore/web/vault/team, names like ^a, tag b=c", ("dataFrom[1]",)),
        ("generator Password/web/pw", ("dataFrom[2]",)),
    }
    assert ("ExternalSecret.external-secrets.io/web/db", "Secret/web/made", ("Merge",)) in ways(made)


def test_a_cluster_external_secret_is_shown_where_it_would_be_made() -> None:
    """In the namespaces that it names, and in those that are here and that it selects."""
    meta = {"name": "shared"}
    spec = {
        "externalSecretSpec": external_secret()["spec"],
        "namespaces": ["ops"],
        "namespaceSelectors": [{"matchLabels": {"team": "web"}}],
    }
    made = graph_of(
        {"apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "metadata": meta, "spec": spec},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web", "labels": {"team": "web"}}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other", "labels": {"team": "other"}}},
    )
    reached = {edge.end.id for edge in made.edges if edge.start.kind == "ClusterExternalSecret"}
    assert reached == {f"ExternalSecret.external-secrets.io/{name}/shared" for name in ("ops", "web")}
    assert {node.id for node in made.nodes if node.stage == "secret"} == {"Secret/ops/shared", "Secret/web/shared"}


def test_what_is_pushed_is_used() -> None:
    """By a PushSecret, which says where to."""
    data = [{"match": {"secretKey": "a", "remoteRef": {"remoteKey": "team/db"}}}]
    made = graph_of(
        {
            "apiVersion": "external-secrets.io/v1alpha1",
            "kind": "PushSecret",
            "metadata": {"name": "out", "namespace": "web"},
            "spec": {"selector": {"secret": {"name": "db"}}, "data": data},
        }
    )
    assert ways(made) == {("Secret/web/db", "PushSecret.external-secrets.io/web/out", ("pushed to team/db",))}


def test_what_is_pushed_by_labels_is_used() -> None:
    """By a PushSecret, and where a ClusterPushSecret would make one: of the Secrets that are there."""
    spec = {"selector": {"secret": {"selector": {"matchLabels": {"push": "yes"}}}}, "dataTo": []}
    version = "external-secrets.io/v1alpha1"
    labelled = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": name, "labels": {"push": "yes"}}}
        for name in ("web", "ops")
    ]
    cluster = {"pushSecretSpec": spec, "namespaceSelectors": [{"matchLabels": {"team": "ops"}}]}
    made = graph_of(
        {"apiVersion": version, "kind": "PushSecret", "metadata": {"name": "out", "namespace": "web"}, "spec": spec},
        {"apiVersion": version, "kind": "ClusterPushSecret", "metadata": {"name": "all"}, "spec": cluster},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ops", "labels": {"team": "ops"}}},
        *labelled,
        secret("other"),
    )
    assert ways(made) == {
        ("Secret/web/db", "PushSecret.external-secrets.io/web/out", ("pushed, by its labels",)),
        ("Secret/ops/db", "PushSecret.external-secrets.io/ops/all", ("pushed, by its labels",)),
    }


def test_dangling_ends() -> None:
    """Secrets that nothing makes, also if something merges into them; that nothing uses; stores that are not there."""
    optional = [{"name": "c", "envFrom": [{"secretRef": {"name": "maybe", "optional": True}}]}]
    made = graph_of(
        external_secret(target={"name": "merged", "creationPolicy": "Merge"}),
        secret("old"),
        workload(containers=optional),
    )
    ends = {(one.node.id, one.problem) for one in made.dangling}
    assert ends == {
        ("Secret/web/merged", "nothing here makes it"),
        ("Secret/web/merged", "nothing here uses it"),
        ("Secret/web/old", "nothing here uses it"),
        ("Secret/web/maybe", "nothing here makes it (its use is optional)"),
        ("ExternalSecret.external-secrets.io/web/db", "there is no SecretStore web/vault here"),
    }


def test_what_could_not_be_read_is_not_said_to_be_missing() -> None:
    """Where Secrets, workloads or stores were not all read, nothing is said of what seems not to be there."""
    objects = external_secret(), secret("old"), workload(imagePullSecrets=[{"name": "x"}])
    assert graph_of(*objects, makers=False, users=False, stores=False).dangling == ()
    assert len(graph_of(*objects).dangling) == 4


def test_secrets_that_are_used_without_being_named() -> None:
    """Those of Helm, of service accounts and of sealing keys are no dangling ends."""
    made = graph_of(
        secret("sh.helm.release.v1.a", labels={"owner": "helm"}),
        secret("token", annotations={"kubernetes.io/service-account.name": "a"}),
        secret("key", labels={"sealedsecrets.bitnami.com/sealed-secrets-key": "active"}),
    )
    assert made == Graph((), ())


def test_what_an_object_makes_is_not_shown_beside_it() -> None:
    """A ReplicaSet of a Deployment that is there; one whose owner is of an unknown kind is shown."""
    pod = {"imagePullSecrets": [{"name": "pull"}]}
    replicas = workload("ReplicaSet", "api-1", **pod)
    replicas["metadata"]["ownerReferences"] = [{"uid": "uid-of-api", "controller": True}]
    strange = workload("ReplicaSet", "roll-1", **pod)
    strange["metadata"]["ownerReferences"] = [{"uid": "elsewhere", "controller": True}]
    made = graph_of(replicas, workload(**pod), strange)
    assert {edge.end.name for edge in made.edges} == {"api", "roll-1"}


def test_an_external_secret_that_cannot_be_read_is_said() -> None:
    """By its name, and with nothing of what it holds."""
    builder = Builder()
    builder.add(external_secret(data=[{"secretKey": {"canary": 1}, "remoteRef": {"key": "canary"}}]))
    assert builder.problems == ["ExternalSecret web/db: is none that can be read (govgate check says why)"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=3),
        lambda below: st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from([
                "spec", "template", "containers", "env", "envFrom", "secretRef", "name", "volumes", "metadata", "tls",
                "secretKeyRef", "valueFrom", "imagePullSecrets", "provider", "encryptedData", "ownerReferences",
            ]),
            below,
            max_size=4,
        ),
        max_leaves=12,
    ),
    st.sampled_from([
        ("v1", "Pod"), ("v1", "Secret"), ("v1", "ServiceAccount"), ("apps/v1", "Deployment"), ("bitnami.com/v1alpha1", "SealedSecret"),
        ("networking.k8s.io/v1", "Ingress"), ("external-secrets.io/v1", "SecretStore"), ("external-secrets.io/v1", "ExternalSecret"),
        ("external-secrets.io/v1", "ClusterExternalSecret"), ("external-secrets.io/v1alpha1", "PushSecret"), ("v1", "Namespace"),
    ]),
)  # fmt: skip
def test_objects_of_any_shape_are_taken(spec: Any, kind: tuple[str, str]) -> None:
    """Whatever files hold: never an error, at most a problem that is said."""
    builder = Builder()
    builder.add({"apiVersion": kind[0], "kind": kind[1], **(spec if isinstance(spec, dict) else {"spec": spec})})
    builder.graph()


def test_a_graph_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than it is made of is an error that says what to do."""
    monkeypatch.setattr(build, "MAX_EDGES", 2)
    builder = Builder()
    with pytest.raises(TooLargeError, match="--namespace"):
        builder.add(workload(imagePullSecrets=[{"name": f"s-{number}"} for number in range(3)]))


NODES = [
    Node("remote", "web", "path", "team/a", "SecretStore web/vault"),
    Node("remote", "web", "path", "team/b", "SecretStore web/vault"),
    Node("source", "web", "ExternalSecret", "x"),
    Node("source", "ops", "ExternalSecret", "y"),
    Node("secret", "web", "Secret", "x"),
    Node("secret", "ops", "Secret", "y"),
    Node("user", "web", "Deployment", "api"),
    Node("user", "ops", "Deployment", "job"),
]
EDGES = st.sets(
    st.sampled_from([
        (start, end) for start in range(8) for end in range(8) if start // 2 + 1 == end // 2
    ])
)  # fmt: skip


def paths_in(graph: Graph) -> list[list[Node]]:
    """All ways from what nothing leads to, to where nothing goes on."""
    following = graph.next()
    whole, begun = [], [[node] for node in graph.nodes if all(edge.end != node for edge in graph.edges)]
    while begun:
        way = begun.pop()
        further = following.get(way[-1], [])
        whole += [] if further else [way]
        begun += [[*way, edge.end] for edge in further]
    return whole


@given(
    EDGES,
    st.sampled_from(["", "team/a", "team/*"]),
    st.sampled_from(["", "x", "web/*"]),
    st.sampled_from(["", "Deployment/*", "ops/job"]),
)
def test_a_selection_is_the_ways_through_what_is_wanted(
    ends: set[tuple[int, int]], path: str, name: str, user: str
) -> None:
    """Of all ways from end to end, those that pass something of each that is wanted: no more, no less."""
    whole = Graph(tuple(sorted(NODES)), tuple(sorted(Edge(NODES[start], NODES[end]) for start, end in ends)))
    tests = {
        "remote": {"": None, "team/a": {NODES[0]}, "team/*": {NODES[0], NODES[1]}}[path],
        "secret": {"": None, "x": {NODES[4]}, "web/*": {NODES[4]}}[name],
        "user": {"": None, "Deployment/*": {NODES[6], NODES[7]}, "ops/job": {NODES[7]}}[user],
    }
    wanted = [some for some in tests.values() if some is not None]
    expected = [way for way in paths_in(whole) if all(some & set(way) for some in wanted)]
    part = selected(whole, Wanted(path, name, user))
    assert set(part.nodes) == {node for way in expected for node in way}
    assert {(edge.start, edge.end) for edge in part.edges} >= {pair for way in expected for pair in pairwise(way)}


def test_a_namespace_is_shown_with_what_leads_there() -> None:
    """What goes through it, from wherever it comes."""
    edges = tuple(Edge(NODES[start], NODES[end]) for start, end in ((0, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7)))
    part = selected(Graph(tuple(sorted(NODES)), edges), Wanted(namespace="ops"))
    assert set(part.nodes) == {NODES[1], NODES[3], NODES[5], NODES[7]}


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
def test_a_version_that_is_not_resolved_is_named(version: str) -> None:
    """Whatever its fields lead to: govgate reads no other one than v1."""
    made = external_secret() | {"apiVersion": f"external-secrets.io/{version}"}
    said = [one.problem for one in graph_of(made).dangling if "does not resolve" in one.problem]
    want = f"is of external-secrets.io/{version}, which govgate does not resolve: write external-secrets.io/v1"
    assert said == ([] if version == "v1" else [want])
