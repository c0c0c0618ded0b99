"""What is kept of Kustomizations, HelmReleases, Applications and AppProjects."""

from __future__ import annotations

from typing import Any

import pytest

from webhooks.drift.facts import ObjectKey, Source
from webhooks.drift.reconcilers.argocd_records import account_for, application, project
from webhooks.drift.reconcilers.flux_records import helm_release, kustomization, source_url
from webhooks.drift.reconcilers.records import MAX_INVENTORY, MAX_RULES, flux_inventory, public_url

IN_CLUSTER = "https://kubernetes.default.svc"
ENTRY = {"id": "web_api_apps_Deployment", "v": "v1"}


def app(*, project: str = "team", **destination: str) -> Any:
    """An Application of a project, with its destination."""
    return application(
        {
            "metadata": {"name": "shop", "namespace": "argocd"},
            "spec": {"project": project, "destination": {"server": IN_CLUSTER, "namespace": "web", **destination}},
            "status": {"resources": [{"group": "apps", "kind": "Deployment", "namespace": "web", "name": "api"}]},
        }
    )


@pytest.mark.parametrize(
    ("identifier", "key"),
    [
        ("web_api_apps_Deployment", ObjectKey("apps", "Deployment", "web", "api")),
        ("web_api__Service", ObjectKey("", "Service", "web", "api")),
        ("_web__Namespace", ObjectKey("", "Namespace", "", "web")),
        ("_system__node_rbac.authorization.k8s.io_ClusterRole",
         ObjectKey("rbac.authorization.k8s.io", "ClusterRole", "", "system:node")),
        ("nonsense", None),
        ("", None),
        ("__", None),
        (7, None),
    ],
)  # fmt: skip
def test_flux_inventory_ids(identifier: Any, key: ObjectKey | None) -> None:
    """``<namespace>_<name>_<group>_<kind>``, a colon written as two underscores."""
    assert flux_inventory({"inventory": {"entries": [{"id": identifier}]}}) == ((key,) if key else ())


def test_a_kustomization() -> None:
    """Its account, source, intent and inventory."""
    record = kustomization(
        {
            "metadata": {"name": "apps", "namespace": "team"},
            "spec": {
                "serviceAccountName": "deployer", "path": "./apps", "suspend": False,
                "sourceRef": {"kind": "GitRepository", "name": "fleet"},
            },
            "status": {"lastAppliedRevision": "main@sha1:1", "inventory": {"entries": [ENTRY]}},
        }
    )  # fmt: skip
    assert record.owner.accounts == {"system:serviceaccount:team:deployer"}
    assert record.owner.source == Source("", "./apps", "main@sha1:1")
    assert record.needs == ("gitrepositories", "team", "fleet")
    assert record.inventory == (ObjectKey("apps", "Deployment", "web", "api"),)


def test_a_helm_release() -> None:
    """The chart's version as installed, and the source in its own namespace if it names one."""
    chart = {
        "spec": {
            "chart": "redis",
            "version": ">=1",
            "sourceRef": {"kind": "HelmRepository", "name": "r", "namespace": "s"},
        }
    }
    record = helm_release(
        {
            "metadata": {"name": "cache", "namespace": "data"},
            "spec": {"chart": chart, "serviceAccountName": "helm"},
            "status": {
                "history": [{"chartVersion": "1.2.3"}, {"chartVersion": "1.0.0"}],
                "inventory": {"entries": [ENTRY]},
            },
        }
    )
    assert record.owner.source == Source("", "redis", "1.2.3")
    assert record.needs == ("helmrepositories", "s", "r")
    assert record.owner.accounts == {"system:serviceaccount:data:helm"}
    assert len(record.inventory) == 1


@pytest.mark.parametrize("record", [kustomization, helm_release])
def test_what_is_deployed_elsewhere_is_not_listed_here(record: Any) -> None:
    """With a kubeconfig, the inventory names objects of another cluster; ours may have the same names."""
    obj = {"spec": {"kubeConfig": {"secretRef": {"name": "k"}}}, "status": {"inventory": {"entries": [ENTRY]}}}
    assert record(obj).inventory == ()
    assert record({**obj, "spec": {}}).inventory


@pytest.mark.parametrize(
    ("destination", "listed"),
    [
        ({}, True),
        ({"server": "", "name": "in-cluster"}, True),
        ({"server": "https://spoke.example.com"}, False),
        ({"server": "", "name": "spoke"}, False),
        ({"server": ""}, False),
    ],
)
def test_an_applications_inventory_is_of_its_destination(destination: dict, listed: bool) -> None:
    """Only what is deployed into this very cluster is looked up here."""
    assert bool(app(**destination).inventory) is listed


def test_an_applications_source_is_what_was_synced() -> None:
    """Of several sources the first is shown; the revision is the synced one, else the one asked for."""
    one = {"repoURL": "https://git.example.com/a", "path": "p", "targetRevision": "main"}
    assert application({"spec": {"source": one}}).owner.source == Source(one["repoURL"], "p", "main")
    synced = {"spec": {"source": one}, "status": {"sync": {"revision": "abc"}}}
    assert application(synced).owner.source.revision == "abc"
    several = {
        "spec": {"sources": [{"repoURL": "r", "chart": "c"}, one]},
        "status": {"sync": {"revisions": ["1.0", "x"]}},
    }
    assert application(several).owner.source == Source("r", "c", "1.0")


def accounts(*entries: tuple[str, str, str]) -> Any:
    listed = [{"server": s, "namespace": n, "defaultServiceAccount": a} for s, n, a in entries]
    return project({"spec": {"destinationServiceAccounts": listed}}, windows=False).accounts


@pytest.mark.parametrize(
    ("entries", "account"),
    [
        ([("*", "*", "deployer")], "system:serviceaccount:web:deployer"),
        ([("*", "web", "other:deployer")], "system:serviceaccount:other:deployer"),
        ([("*", "w*", "one"), ("*", "*", "two")], "system:serviceaccount:web:one"),
        ([("*", "other", "one"), ("*", "*", "two")], "system:serviceaccount:web:two"),
        ([("https://kubernetes.default.*", "{app,web}", "one")], "system:serviceaccount:web:one"),
        ([("https://kubernetes.default.*", "{app,api}", "one")], None),
        ([("*", "we", "one")], None),
        ([("*", "web", " ")], None),
        ([("*", "", "one")], None),
        ([], None),
    ],
)
def test_the_projects_accounts(entries: list, account: str | None) -> None:
    """The first entry whose globs fit server and namespace names the account, of the destination's namespace."""
    assert account_for(app(), accounts(*entries)) == (frozenset((account,)) if account else frozenset())


def test_an_application_without_destination_namespace_uses_its_own() -> None:
    """Its account is then in the Application's namespace."""
    assert account_for(app(namespace=""), accounts(("*", "*", "d"))) == {"system:serviceaccount:argocd:d"}
    assert app().needs == ("appprojects", "argocd", "team")
    assert app(project="").needs == ("appprojects", "argocd", "default")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://git.example.com/a/b", "https://git.example.com/a/b"),
        ("https://user@git.example.com:8443/a", "https://git.example.com:8443/a"),
        ("https://user:pass@git.example.com/a", "https://git.example.com/a"),
        ("HTTPS://user:pass@git.example.com/a", "HTTPS://git.example.com/a"),
        ("https://user:p@ss@git.example.com/a", "https://git.example.com/a"),
        ("https://user:pa/ss@git.example.com/a", ""),
        ("https://git.example.com/a?token=t", "https://git.example.com/a"),
        ("https://git.example.com/a#t", "https://git.example.com/a"),
        ("ssh://git@git.example.com/a", "ssh://git.example.com/a"),
        ("git@git.example.com:a/b.git", "git.example.com:a/b.git"),
        ("user:pass@git.example.com:a/b", "git.example.com:a/b"),
        ("oci://[::1]:5000/a", "oci://[::1]:5000/a"),
        ("oci://ghcr.io/a@sha256:abc", "oci://ghcr.io/a@sha256:abc"),
        ("", ""),
    ],
)
def test_urls_are_shown_without_credentials(url: str, shown: str) -> None:
    """Neither user, password, query nor fragment; of what is not readable nothing."""
    assert public_url(url) == shown
    assert source_url({"spec": {"url": url}}) == shown


@pytest.mark.parametrize("record", [kustomization, helm_release, application])
@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"metadata": 1, "spec": [], "status": "x"},
        {"metadata": {"name": 1}, "spec": {"ignore": [1], "driftDetection": 1, "source": [], "destination": 1}},
        {
            "spec": {"ignore": {"a": 1}, "ignoreDifferences": [1, {"jsonPointers": "x"}]},
            "status": {"inventory": {"entries": 1}},
        },
    ],
)
def test_malformed_owners_are_read_as_empty(record: Any, obj: Any) -> None:
    """A watch delivers whatever was stored: a bad owner is one that says nothing, and stops no cache."""
    found = record(obj)
    assert (found.owner.accounts, found.owner.paused, found.inventory) == (frozenset(), "", ())


def test_owners_are_bounded() -> None:
    """Rules and inventories beyond the bounds are cut off."""
    rules = [{"paths": ["/a"]}] * (MAX_RULES + 1)
    entries = [{"id": f"web_a{i}_apps_Deployment"} for i in range(MAX_INVENTORY + 1)]
    record = kustomization({"spec": {"ignore": rules}, "status": {"inventory": {"entries": entries}}})
    assert (len(record.owner.ignore), len(record.inventory)) == (MAX_RULES, MAX_INVENTORY)
