"""The guard where something is not known: whose Secrets, which policy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support.signing import pem

from gateway.config.provenance import Provenance
from gateway.core.guard import Indeterminate, Judged, NotApplicable, OnError, Outcome
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Json, Subject, UserInfo
from gateway.kube import KubeClient
from gateway.provenance.gate import Reach, Verdict
from gateway.provenance.oci.reference import Reference
from gateway.provenance.verifier import ReadyTrust
from gateway.provenance.versions import Versions
from webhooks.access import Access
from webhooks.charts import ChartSource
from webhooks.provenance import ProvenanceGuard
from webhooks.sources.fetch import Fetch
from webhooks.trust import ClusterTrust, ConfiguredTrust, read_all

PEM = pem(ec.generate_private_key(ec.SECP256R1()))
DIGEST = "sha256:" + "0" * 64


def subject(group: str, kind: str, spec: Any) -> Subject:
    document = {"kind": kind, "metadata": {"name": "x", "namespace": "team"}, "spec": spec}
    return Subject(
        uid="u",
        operation="CREATE",
        kind=GroupVersionKind(group, "v1", kind),
        resource=GroupVersionResource(group, "v1", kind.lower() + "s"),
        user=UserInfo(),
        namespace="team",
        raw_object=json.dumps(document).encode(),
    )


def pod(*images: str) -> Subject:
    containers = [{"name": f"c{index}", "image": image} for index, image in enumerate(images)]
    return subject("", "Pod", {"containers": containers})


class Gate:
    """Finds every artifact, and asks nobody."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.who: list[str] = []

    async def judge(
        self,
        reference: Reference,
        policies: Sequence[ReadyTrust],
        reach: Reach | None = None,
        *,
        versions: Versions | None = None,
    ) -> list[Verdict]:
        del policies, versions
        self.asked.append(reference.name)
        self.who.append(reach.who if reach is not None else "")
        return [Verdict(reference, DIGEST, [])]


class Charts:
    """One HelmRepository in a namespace of its own."""

    def source(self, namespace: str, name: str) -> ChartSource | None:
        return ChartSource("oci://ghcr.io/acme/charts", "regcred") if (namespace, name) == ("flux", "acme") else None

    def charts(self, namespace: str, name: str) -> list[Fetch]:
        del namespace, name
        return []


async def judged(asked: Subject, gate: Gate, *policies: ReadyTrust) -> Outcome:
    async def access(namespace: str, reference: Reference, fetch: Fetch) -> Access:
        del reference
        return Access(Reach(who=f"{namespace}/{fetch.login}{','.join(fetch.secrets)}"))

    trust = ConfiguredTrust(policies)
    return await ProvenanceGuard(trust, gate, Provenance(), exempt=(), charts=Charts(), access=access).judge(asked)


def document(name: str, **spec: Any) -> Json:
    """A TrustPolicy that can be used, unless the changes make it another."""
    authorities = [{"name": "a", "keys": [{"pem": PEM}]}]
    return {
        "metadata": {"name": name},
        "spec": {"repositories": ["ghcr.io/acme/**"], "authorities": authorities} | spec,
    }


async def read(
    *documents: Json, before: Mapping[str, ReadyTrust] | None = None
) -> tuple[dict[str, ReadyTrust], dict[str, str]]:
    return await read_all({one["metadata"]["name"]: one for one in documents}, before or {})


async def test_the_secrets_are_those_beside_the_repository() -> None:
    """Of a HelmRepository in another namespace than the HelmRelease; an image's are beside the Pod."""
    found, _ = await read(document("p"))
    chart = {
        "chart": "web",
        "version": "1.2.3",
        "sourceRef": {"kind": "HelmRepository", "name": "acme", "namespace": "flux"},
    }
    gate = Gate()
    await judged(subject("helm.toolkit.fluxcd.io", "HelmRelease", {"chart": {"spec": chart}}), gate, *found.values())
    assert gate.who == ["flux/regcred"]
    spec = {"imagePullSecrets": [{"name": "s"}], "containers": [{"name": "c", "image": f"ghcr.io/acme/app@{DIGEST}"}]}
    await judged(subject("", "Pod", spec), gate, *found.values())
    assert gate.who == ["flux/regcred", "team/s"]


BROKEN = [
    {"authorities": [{"name": "a", "keys": [{"pem": "none"}]}]},
    {"authorities": "nobody"},
    {"formats": []},
    {"artifactTypes": ["\ud800"]},  # nothing that a policy can be digested with: no error of ours
]


@pytest.mark.parametrize("spec", BROKEN)
async def test_a_policy_that_cannot_be_used_stops_no_other(spec: Json) -> None:
    """Those after it are read; what it is about is undecided, and nothing else."""
    found, problems = await read(document("bad", **spec), document("good", repositories=["quay.io/**"]))
    assert list(problems) == ["bad"]
    assert [(name, bool(ready.trust.unusable)) for name, ready in found.items()] == [("bad", True), ("good", False)]
    gate = Gate()
    said = await judged(pod(f"ghcr.io/acme/app@{DIGEST}"), gate, *found.values())
    assert isinstance(said, Indeterminate)
    assert said.on_error is OnError.DENY
    assert "TrustPolicy bad cannot be used" in said.reason
    assert not gate.asked
    assert isinstance(await judged(pod(f"quay.io/app@{DIGEST}"), gate, *found.values()), Judged)
    assert isinstance(await judged(pod("docker.io/library/nginx"), gate, *found.values()), NotApplicable)


async def test_another_policy_is_asked_all_the_same() -> None:
    """A denial by one that can be used is a denial."""
    found, _ = await read(document("bad", **BROKEN[0]), document("good"))
    gate = Gate()
    assert isinstance(await judged(pod(f"ghcr.io/acme/app@{DIGEST}"), gate, *found.values()), Indeterminate)
    assert gate.asked == ["ghcr.io/acme/app"]


@pytest.mark.parametrize("repositories", [None, [], "ghcr.io/**", [7], [""]])
async def test_a_policy_about_nobody_knows_what_is_about_everything(repositories: Any) -> None:
    """Its mode still holds if that can be read."""
    for mode, on_error in (("deny", OnError.DENY), ("audit", OnError.ALLOW), ("all", OnError.DENY)):
        found, _ = await read(document("bad", repositories=repositories, mode=mode))
        said = await judged(pod("nginx"), Gate(), *found.values())
        assert isinstance(said, Indeterminate)
        assert said.on_error is on_error


async def test_what_was_usable_stays_in_force() -> None:
    """Until it is usable again; a stand-in is replaced."""
    good, _ = await read(document("p"))
    kept, problems = await read(document("p", **BROKEN[0]), before=good)
    assert kept == good
    assert list(problems) == ["p"]
    bad, _ = await read(document("p", **BROKEN[0]))
    again, problems = await read(document("p"), before=bad)
    assert not again["p"].trust.unusable
    assert not problems
    assert again["p"].trust.digest == good["p"].trust.digest != bad["p"].trust.digest


class Api:
    """An API server with one TrustPolicy, where nothing changes."""

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        del query
        return json.dumps(
            {
                "versions": [{"version": "v1alpha1"}],
                "resources": [{"name": "trustpolicies"}],
                "metadata": {"resourceVersion": "1"},
                "items": [document("p")] if path.endswith("trustpolicies") else [],
            }
        ).encode()

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str], *, silence_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        del path, query, silence_seconds
        await asyncio.Event().wait()
        yield aiter(())


async def test_reading_that_has_ended_is_not_ready(caplog: pytest.LogCaptureFixture) -> None:
    """Or a policy written later would never be in force, and nobody told."""
    ended = asyncio.Event()

    def needed() -> None:
        asyncio.get_running_loop().call_soon(ended.set)
        raise RuntimeError("out of order")

    trust = ClusterTrust(cast("KubeClient", Api()), (), needed)
    trust.start()
    try:
        await asyncio.wait_for(ended.wait(), 30)
        await asyncio.sleep(0)
        (why,) = trust.checks().values()
    finally:
        await trust.close()
    assert "has ended" in str(why)
    assert "read no more" in caplog.text
