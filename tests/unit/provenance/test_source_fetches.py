"""What objects have fetched."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from gateway.provenance.versions import Versions
from webhooks.sources.crossplane import qualified
from webhooks.sources.fetch import ArgoRepository, Fetch, Repository, is_exact
from webhooks.sources.find import concerned, fetches, is_new, own_verification
from webhooks.sources.matchers import has_open_dot

D = "sha256:" + "0" * 64
SOURCES, HELM, ARGO, XP = "source.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io", "argoproj.io", "pkg.crossplane.io"
URL = {"url": "oci://ghcr.io/acme/app"}


def subject(
    group: str, kind: str, spec: Any, old: Any = None, *, subresource: str = "", operation: str = ""
) -> Subject:
    def raw(found: Any) -> bytes:
        return json.dumps({"kind": kind, "metadata": {"name": "x", "namespace": "web"}, "spec": found}).encode()

    return Subject(
        uid="u",
        operation=operation or ("CREATE" if old is None else "UPDATE"),
        kind=GroupVersionKind(group, "v1", kind),
        resource=GroupVersionResource(group, "v1", kind.lower() + "s"),
        user=UserInfo(),
        subresource=subresource,
        namespace="web",
        raw_object=raw(spec),
        raw_old_object=b"" if old is None else raw(old),
    )


def found(group: str, kind: str, spec: Any) -> list[Fetch]:
    return fetches(subject(group, kind, spec))


def one(group: str, kind: str, spec: Any) -> Fetch:
    (fetch,) = found(group, kind, spec)
    return fetch


def test_an_oci_repository_takes_the_digest_then_the_range_then_the_tag() -> None:
    """In Flux's own order; ``latest`` if it says nothing."""
    ref = {"tag": "v1", "semver": ">=1", "digest": D}
    assert one(SOURCES, "OCIRepository", {**URL, "ref": ref}) == Fetch(
        "config", f"ghcr.io/acme/app@{D}", "spec.ref.digest"
    )
    ranged = one(SOURCES, "OCIRepository", {**URL, "ref": {"tag": "v1", "semver": ">=1"}})
    assert ranged.versions == Versions(">=1", "flux")
    assert ranged.mutable
    assert ranged.reference == "ghcr.io/acme/app"
    filtered = one(SOURCES, "OCIRepository", {**URL, "ref": {"semver": ">=1", "semverFilter": "rc"}})
    assert filtered.versions == Versions(">=1", "flux", "rc")
    assert one(SOURCES, "OCIRepository", {**URL, "ref": {"tag": "v1"}}).reference == "ghcr.io/acme/app:v1"
    assert one(SOURCES, "OCIRepository", {**URL, "ref": {"tag": f"v1@{D}"}}).reference == f"ghcr.io/acme/app@{D}"
    latest = one(SOURCES, "OCIRepository", {**URL, "secretRef": {"name": "pull"}})
    assert (latest.reference, latest.secrets) == ("ghcr.io/acme/app:latest", ("pull",))
    assert latest.mutable


def test_an_oci_repository_names_what_it_is_fetched_by() -> None:
    """A cloud's provider takes the account for something else than its pull secrets."""
    named = {"secretRef": {"name": "pull"}, "certSecretRef": {"name": "tls"}, "serviceAccountName": "flux"}
    for provider in ({}, {"provider": "generic"}):
        found = one(SOURCES, "OCIRepository", {**URL, **named, **provider})
        assert (found.secrets, found.certificates, found.account) == (("pull",), "tls", "flux")
    assert not one(SOURCES, "OCIRepository", {**URL, **named, "provider": "aws"}).account
    assert not one(SOURCES, "OCIRepository", {**URL, "secretRef": "pull", "certSecretRef": []}).certificates


def test_what_flux_has_fetched_is_looked_at_too() -> None:
    """Where it says so, by its digest; whatever the source names now."""
    reported = {"artifact": {"revision": f"v1@{D}"}}
    asked = subject(SOURCES, "OCIRepository", {**URL, "ref": {"semver": ">=1"}})
    asked.object["status"] = reported
    named, fetched = fetches(asked)
    assert named.versions
    assert fetched == Fetch("config", f"ghcr.io/acme/app@{D}", "status.artifact.revision")
    for revision in ("", "v1", f"v1@{D}x", 7):
        asked.object["status"] = {"artifact": {"revision": revision}}
        assert len(fetches(asked)) == 1


def test_charts_come_through_their_repository() -> None:
    """Of a HelmRelease and of a HelmChart; a version's plus is an underscore."""
    chart = {"chart": "app", "version": "1.2.3+b1", "sourceRef": {"kind": "HelmRepository", "name": "acme"}}
    release = one(HELM, "HelmRelease", {"chart": {"spec": chart}})
    assert release.reference == "app:1.2.3_b1"
    assert release.through == Repository("web", "acme")
    assert release.field == "spec.chart.spec.version"
    elsewhere = {**chart, "sourceRef": {"kind": "HelmRepository", "name": "acme", "namespace": "flux"}}
    assert one(HELM, "HelmRelease", {"chart": {"spec": elsewhere}}).through == Repository("flux", "acme")
    assert one(SOURCES, "HelmChart", {**chart, "version": ">=1"}).versions == Versions(">=1", "flux-chart")
    assert one(SOURCES, "HelmChart", {**chart, "version": None}).versions == Versions("*", "flux-chart")
    assert found(SOURCES, "HelmChart", {**chart, "sourceRef": {"kind": "GitRepository", "name": "x"}}) == []
    assert found(HELM, "HelmRelease", {"chartRef": {"kind": "OCIRepository", "name": "x"}}) == []


@pytest.mark.parametrize(
    ("source", "reference"),
    [
        ({"repoURL": "oci://ghcr.io/acme/app", "targetRevision": "1.0", "path": "."}, "ghcr.io/acme/app:1.0"),
        ({"repoURL": "oci://ghcr.io/acme/app", "targetRevision": D}, f"ghcr.io/acme/app@{D}"),
        ({"repoURL": "oci://ghcr.io/acme/app", "targetRevision": f"1.0@{D}"}, f"ghcr.io/acme/app@{D}"),
        ({"repoURL": "oci://ghcr.io/acme/app"}, "ghcr.io/acme/app:latest"),
        (
            {"repoURL": "ghcr.io/acme/charts", "chart": "app", "targetRevision": "1.2.3"},
            "ghcr.io/acme/charts/app:1.2.3",
        ),
        ({"repoURL": "ghcr.io", "path": "acme/app", "targetRevision": "1.2.3"}, "ghcr.io/acme/app:1.2.3"),
    ],
)
def test_argo_cd_has_three_forms(source: Any, reference: str) -> None:
    """An artifact, a chart of a registry, a registry and a path; alone, in a list, in a template."""
    assert one(ARGO, "Application", {"source": source}).reference == reference
    listed = {"sources": [{"repoURL": "https://git.example/x.git"}, source]}
    assert one(ARGO, "Application", listed).field == "spec.sources[1].targetRevision"
    assert one(ARGO, "ApplicationSet", {"template": {"spec": listed}}).reference == reference


def test_argo_cd_may_know_the_repository() -> None:
    """By its URL as it is written, in the Application's project; an operation's source too."""
    source = {"repoURL": "ghcr.io/acme/charts", "chart": "app", "targetRevision": "1.2.3"}
    assert one(ARGO, "Application", {"source": source, "project": "team"}).argo == ArgoRepository(
        "ghcr.io/acme/charts", "team"
    )
    templated = {"template": {"spec": {"sources": [source], "project": "team"}}}
    assert one(ARGO, "ApplicationSet", templated).argo == ArgoRepository("ghcr.io/acme/charts", "team")
    asked = subject(ARGO, "Application", {"project": "team"})
    asked.object["operation"] = {"sync": {"source": {**source, "repoURL": "oci://ghcr.io/other"}}}
    assert [found.argo for found in fetches(asked)] == [ArgoRepository("oci://ghcr.io/other", "team")]


@pytest.mark.parametrize("url", ["https://git.example/x", "git@git.example:x/y.git", "ssh://git@git.example/x", ""])
def test_argo_cds_other_sources_are_no_artifacts(url: str) -> None:
    """Git over HTTPS and SSH, Helm repositories over HTTPS."""
    assert found(ARGO, "Application", {"source": {"repoURL": url, "path": "x", "targetRevision": "HEAD"}}) == []


def test_what_is_templated_is_judged_when_it_is_made() -> None:
    """An ApplicationSet's Applications are objects of their own."""
    source = {"repoURL": "oci://ghcr.io/acme/{{name}}", "targetRevision": "1.0"}
    assert one(ARGO, "ApplicationSet", {"template": {"spec": {"source": source}}}).later


def test_argo_cd_has_ranges() -> None:
    """Of charts, whatever is not one whole version; of artifacts, what is no tag or may be no tag."""
    chart = {"repoURL": "ghcr.io/acme/charts", "chart": "app"}
    for revision in ("1.x", "main", "", "1.2"):
        fetch = one(ARGO, "Application", {"source": {**chart, "targetRevision": revision}})
        assert fetch.versions == Versions(revision, "argocd-chart")
    for revision in (">=1.0", "1.x", "v1.X", "x", "1.2.*", "~1", "1 - 2"):
        fetch = one(ARGO, "Application", {"source": {"repoURL": "oci://ghcr.io/acme/app", "targetRevision": revision}})
        assert (fetch.reference, fetch.versions) == ("ghcr.io/acme/app", Versions(revision, "argocd"))
    for revision in ("1", "v1.2", "linux-x86", "max", "latest"):
        fetch = one(ARGO, "Application", {"source": {"repoURL": "oci://ghcr.io/acme/app", "targetRevision": revision}})
        assert (fetch.reference, fetch.versions) == (f"ghcr.io/acme/app:{revision}", None)


GOOD_APP = {"repoURL": "oci://ghcr.io/acme/app", "targetRevision": D}
OTHER_APP = {"repoURL": "oci://evil.example/x/y", "targetRevision": "1.0"}


@pytest.mark.parametrize("where", ["operation", "status.operationState.operation"])
@pytest.mark.parametrize(
    ("spec", "sync", "fetched"),
    [
        ({"source": GOOD_APP}, {"source": OTHER_APP}, {"source.targetRevision": "evil.example/x/y:1.0"}),
        ({"source": GOOD_APP}, {"source": OTHER_APP, "revision": "2"}, {"revision": "evil.example/x/y:2"}),
        ({"source": GOOD_APP}, {"revision": "evil"}, {"revision": "ghcr.io/acme/app:evil"}),
        ({"source": GOOD_APP}, {"sources": [OTHER_APP]}, {"sources[0].targetRevision": "evil.example/x/y:1.0"}),
        (
            {"source": GOOD_APP},
            {"source": GOOD_APP, "revision": "v2", "sources": [OTHER_APP]},
            {"revision": "ghcr.io/acme/app:v2", "sources[0].targetRevision": "evil.example/x/y:1.0"},
        ),
        ({"sources": [GOOD_APP, GOOD_APP]}, {"revisions": ["", "evil"]}, {"revisions[1]": "ghcr.io/acme/app:evil"}),
        ({"sources": [GOOD_APP]}, {"sources": [OTHER_APP], "revisions": ["2"]}, {"revisions[0]": "evil.example/x/y:2"}),
        ({"source": {"repoURL": "https://git.example/x"}}, {"revision": "HEAD"}, {}),
        ({"source": GOOD_APP}, {"prune": True}, {}),
        ({"source": GOOD_APP}, {"revisions": "x", "source": 7, "sources": [7]}, {}),
    ],
)
def test_argo_cd_fetches_what_an_operation_names(where: str, spec: Any, sync: Any, fetched: dict[str, str]) -> None:
    """A sync's own sources and revisions go before those of the spec; and they are new, whatever the spec says."""
    asked = subject(ARGO, "Application", spec, spec)
    document = asked.object
    *path, last = where.split(".")
    for name in path:
        document = document.setdefault(name, {})
    document[last] = {"sync": sync}
    all_found = fetches(asked)
    new = [one for one, is_one in zip(all_found, is_new(asked, all_found), strict=True) if is_one]
    assert {one.field: one.reference for one in new} == {f"{where}.sync.{at}": name for at, name in fetched.items()}


@pytest.mark.parametrize(
    ("sync", "result", "fetched"),
    [
        ({"prune": True}, {"revision": D.replace("0", "1")}, {"revision": "ghcr.io/acme/app@" + D.replace("0", "1")}),
        ({"source": OTHER_APP}, {"revision": "3"}, {"revision": "evil.example/x/y:3"}),
        ({"sources": [GOOD_APP, OTHER_APP]}, {"revisions": ["", "4"]}, {"revisions[1]": "evil.example/x/y:4"}),
        ({"source": OTHER_APP}, {"source": GOOD_APP, "revision": ""}, {}),
        ({"source": OTHER_APP}, 7, {}),
    ],
)
def test_an_operation_under_way_goes_on_at_what_it_has_resolved(
    sync: Any, result: Any, fetched: dict[str, str]
) -> None:
    """Argo CD takes the revisions of the result before it takes those that were asked for; never its sources."""
    asked = subject(ARGO, "Application", {"source": GOOD_APP}, {"source": GOOD_APP})
    state = {"phase": "Running", "operation": {"sync": sync}, "syncResult": result}
    asked.object["status"] = {"operationState": state}
    found_there = {one.field: one.reference for one in fetches(asked) if "syncResult" in one.field}
    assert found_there == {f"status.operationState.syncResult.{at}": name for at, name in fetched.items()}
    state["phase"] = "Succeeded"
    assert len(fetches(asked)) == 1


def test_an_operation_that_fetches_what_the_spec_does_is_not_new() -> None:
    """Such as the sync that somebody asks for by a button."""
    asked = subject(ARGO, "Application", {"source": GOOD_APP}, {"source": GOOD_APP})
    asked.object["operation"] = {"sync": {"source": GOOD_APP, "revision": D}}
    assert is_new(asked, fetches(asked)) == [False, False]


@pytest.mark.parametrize(("phase", "count"), [("Running", 2), ("", 2), ("Succeeded", 1), ("Failed", 1), ("Error", 1)])
def test_an_operation_that_is_over_fetches_nothing(phase: str, count: int) -> None:
    """Until somebody writes that it is not."""
    asked = subject(ARGO, "Application", {"source": GOOD_APP})
    asked.object["status"] = {"operationState": {"phase": phase, "operation": {"sync": {"source": OTHER_APP}}}}
    assert len(fetches(asked)) == count


def test_crossplane_names_packages() -> None:
    """With a registry or without."""
    assert one(XP, "Provider", {"package": "xpkg.example.org/acme/p:v1"}).reference == "xpkg.example.org/acme/p:v1"
    assert (
        one(XP, "FunctionRevision", {"image": f"xpkg.example.org/acme/p:v1@{D}"}).reference
        == f"xpkg.example.org/acme/p@{D}"
    )
    assert one(XP, "Configuration", {"package": "acme/p:v1"}).reference == "acme/p:v1"
    assert one(XP, "Provider", {"package": "localhost:5000/p", "packagePullSecrets": [{"name": "s"}]}).secrets == ("s",)


@pytest.mark.parametrize(
    ("reference", "whole"),
    [
        ("acme/p:v1", "xpkg.example.org/acme/p:v1"),
        ("p:v1", "xpkg.example.org/p:v1"),
        (f"p@{D}", f"xpkg.example.org/p@{D}"),
        ("localhost/p:v1", "xpkg.example.org/localhost/p:v1"),
        ("ghcr.io/acme/p:v1", "ghcr.io/acme/p:v1"),
        ("registry:5000/p", "registry:5000/p"),
    ],
)
def test_a_package_without_a_registry_is_from_the_one_that_crossplane_takes(reference: str, whole: str) -> None:
    """Not from Docker Hub, where an image would be."""
    assert qualified(reference, "xpkg.example.org") == whole


PODS = {"containers": [{"name": "a", "image": "nginx"}], "imagePullSecrets": [{"name": "s"}]}


@pytest.mark.parametrize(
    ("group", "kind", "wrap"),
    [
        ("", "Pod", lambda spec: spec),
        ("", "ReplicationController", lambda spec: {"template": {"spec": spec}}),
        ("apps", "Deployment", lambda spec: {"template": {"spec": spec}}),
        ("apps", "ReplicaSet", lambda spec: {"template": {"spec": spec}}),
        ("apps", "StatefulSet", lambda spec: {"template": {"spec": spec}}),
        ("apps", "DaemonSet", lambda spec: {"template": {"spec": spec}}),
        ("batch", "Job", lambda spec: {"template": {"spec": spec}}),
        ("batch", "CronJob", lambda spec: {"jobTemplate": {"spec": {"template": {"spec": spec}}}}),
    ],
)
def test_images_of_every_workload(group: str, kind: str, wrap: Any) -> None:
    """Of containers, init and ephemeral ones, and of volumes."""
    spec = {
        **PODS,
        "initContainers": [{"name": "i", "image": f"ghcr.io/a/i@{D}"}],
        "ephemeralContainers": [{"name": "e", "image": "ghcr.io/a/e:1"}],
        "volumes": [{"name": "v", "image": {"reference": "ghcr.io/a/v:1"}}, {"name": "w"}],
    }
    all_found = found(group, kind, wrap(spec))
    assert [fetch.reference for fetch in all_found] == [f"ghcr.io/a/i@{D}", "nginx", "ghcr.io/a/e:1", "ghcr.io/a/v:1"]
    assert [bool(fetch.mutable) for fetch in all_found] == [False, True, True, True]
    assert all_found[1].field.endswith("spec.containers[name=a].image") or kind == "Pod"
    assert all_found[0].secrets == ("s",)
    assert all_found[0].account == ""


@pytest.mark.parametrize(
    ("more", "account"),
    [({}, "default"), ({"serviceAccountName": "app"}, "app"), ({"serviceAccount": "old"}, "old")],
)
def test_without_pull_secrets_it_is_the_accounts(more: Any, account: str) -> None:
    """As Pods get them from their ServiceAccount, if they name none."""
    containers = [{"name": "a", "image": "nginx"}]
    assert one("", "Pod", {"containers": containers, **more}).account == account
    template = {"template": {"spec": {"containers": containers, "imagePullSecrets": [], **more}}}
    assert one("apps", "Deployment", template).account == account


def test_only_what_is_new_is_fetched_anew() -> None:
    """An update that leaves an image needs no verification of it."""
    more = {"containers": [*PODS["containers"], {"name": "b", "image": "redis"}]}
    changed = subject("", "Pod", more, PODS)
    assert is_new(changed, fetches(changed)) == [False, True]
    created = subject("", "Pod", more)
    assert is_new(created, fetches(created)) == [True, True]


def test_what_decides_nothing_is_not_looked_at() -> None:
    """Deletions, reports of status, other kinds; ephemeral containers do decide."""
    assert concerned(subject("", "Pod", PODS))
    assert concerned(subject("", "Pod", PODS, PODS, subresource="ephemeralcontainers"))
    assert not concerned(subject("", "Pod", PODS, PODS, subresource="status"))
    assert not concerned(subject("", "Pod", PODS, PODS, operation="DELETE"))
    assert not concerned(subject("", "ConfigMap", {}))


GOOD = {
    "provider": "cosign",
    "matchOIDCIdentity": [{"issuer": r"^https://i\.example$", "subject": r"^https://g\.example/a/.+$"}],
}


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ({"verify": GOOD}, []),
        ({"verify": {"provider": "cosign", "secretRef": {"name": "k"}}}, []),
        ({"verify": {"provider": "notation", "secretRef": {"name": "k"}}}, []),
        ({}, ["spec.verify"]),
        ({"verify": GOOD, "insecure": True}, ["spec.insecure"]),
        ({"verify": {"provider": "cosign"}}, ["spec.verify.matchOIDCIdentity"]),
        ({"verify": {"provider": "cosign", "matchOIDCIdentity": []}}, ["spec.verify.matchOIDCIdentity"]),
        ({"verify": {"provider": "notation"}}, ["spec.verify.secretRef"]),
        ({"verify": {"matchOIDCIdentity": GOOD["matchOIDCIdentity"] * 2}}, ["spec.verify.matchOIDCIdentity"]),
        (
            {"verify": {"matchOIDCIdentity": [{"issuer": "^https://i.example$", "subject": "acme"}]}},
            ["spec.verify.matchOIDCIdentity[0].issuer", "spec.verify.matchOIDCIdentity[0].subject"],
        ),
        ({"verify": {"matchOIDCIdentity": [{"issuer": "^a$|^b$", "subject": "^a/.*$"}]}}, ["spec.verify.matchOIDCIdentity[0].issuer"]),
        ({"verify": {"matchOIDCIdentity": [{"issuer": "^a$", "subject": "^.*$"}]}}, ["spec.verify.matchOIDCIdentity[0].subject"]),
        ({"verify": {"matchOIDCIdentity": [{"subject": r"^a\$"}]}},
         ["spec.verify.matchOIDCIdentity[0].issuer", "spec.verify.matchOIDCIdentity[0].subject"]),
    ],
)  # fmt: skip
def test_weak_verification_is_told_by_its_field(spec: Any, fields: list[str]) -> None:
    """Missing, anybody, several, unanchored, open dots, no TLS."""
    weak = own_verification(subject(SOURCES, "OCIRepository", {**URL, **spec}))
    assert weak is not None
    assert [one.field for one in weak] == fields


@pytest.mark.parametrize("pattern", ["^$", "^.*$", "^.+$", "^(.*)$", "^(.+)$", ".*"])
def test_patterns_that_accept_anything_are_none(pattern: str) -> None:
    """However they are written."""
    verify = {"matchOIDCIdentity": [{"issuer": "^a$", "subject": pattern}]}
    weak = own_verification(subject(SOURCES, "OCIRepository", {**URL, "verify": verify}))
    assert weak is not None
    assert [one.message for one in weak] == [f"the subject {pattern!r} accepts anything"]


@pytest.mark.parametrize(
    ("pattern", "is_open"),
    [
        ("a.b", True), ("[a].b", True), (r"a\\.b", True), ("[]a].b", True), ("a.", True),
        (r"a\.b", False), ("a[.]b", False), ("a.*b", False), ("a.+", False), ("a.{3}", False), ("a[^.x]b", False), ("", False),
    ],
)  # fmt: skip
def test_a_dot_is_open_unless_it_was_meant_so(pattern: str, is_open: bool) -> None:
    """Escaped, in a class, or repeated, it was."""
    assert has_open_dot(pattern) is is_open


def test_what_an_update_leaves_is_not_told_again() -> None:
    """And what cannot verify by itself is not asked to."""
    assert own_verification(subject(SOURCES, "OCIRepository", URL, URL)) is None
    assert own_verification(subject(SOURCES, "OCIRepository", URL, {**URL, "verify": GOOD})) != []
    assert own_verification(subject(ARGO, "Application", {})) is None


def test_a_version_is_exact_or_a_range() -> None:
    """As Helm reads them."""
    assert all(map(is_exact, ("1.2.3", "v1.2.3", "1.2.3-rc.1", "1.2.3+b", "0.0.0-x+y")))
    assert not any(map(is_exact, ("", "1", "1.2", "1.2.x", "*", ">=1.2.3", "^1.2.3", "1.2.3 - 2", "~1.2.3", "latest")))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["spec", "template", "containers", "image", "source", "sources", "repoURL", "url", "ref", "verify"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
KINDS = [
    (SOURCES, "OCIRepository"), (SOURCES, "HelmChart"), (HELM, "HelmRelease"), (ARGO, "Application"),
    (ARGO, "ApplicationSet"), (XP, "Provider"), ("", "Pod"), ("batch", "CronJob"),
]  # fmt: skip


@given(st.sampled_from(KINDS), JSON)
def test_misshapen_objects_raise_nothing(kind: tuple[str, str], spec: Any) -> None:
    """What is not there is not fetched; the API server says what is wrong with the rest."""
    asked = subject(*kind, spec)
    fetches(asked)
    own_verification(asked)
