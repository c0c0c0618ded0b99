"""The guards of a configuration with trust policies, on what cosign signed in real registries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import msgspec
import pytest
from support.cosign import Cosign
from support.registries import FaultyRegistry, RealRegistry, push, respond, stall

from gateway.config.load import parse_config
from gateway.core.finding import Action, Finding
from gateway.core.guard import Judged
from gateway.core.verdict import Decision, Verdict, combine
from gateway.provenance.gate import Gate
from webhooks.assembly import Assembly, assemble, provenance_guard
from webhooks.review import decode_review
from webhooks.trust import ConfiguredTrust, configured_trust

pytestmark = pytest.mark.servers
_names = count(1)
Json = dict[str, Any]
FLUX = "source.toolkit.fluxcd.io"
SOUND = {"provider": "cosign", "secretRef": {"name": "key"}}


def review(group: str, kind: str, spec: Json, *, old: Json | None = None, namespace: str = "web") -> bytes:
    """A request to create an object, or to change it."""

    def whole(found: Json) -> Json:
        version = f"{group}/v1" if group else "v1"
        return {"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": namespace}, "spec": found}

    request = {
        "uid": "u",
        "operation": "CREATE" if old is None else "UPDATE",
        "kind": {"group": group, "version": "v1", "kind": kind},
        "resource": {"group": group, "version": "v1", "resource": f"{kind.lower()}s"},
        "namespace": namespace,
        "name": "x",
        "userInfo": {"username": "alice"},
        "object": whole(spec),
        "oldObject": None if old is None else whole(old),
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def policy(cosign: Cosign, *repositories: str, **more: Any) -> Json:
    authority = {"name": "release", "keys": [{"id": "2026", "pem": cosign.key.read_text()}]}
    return {"name": "acme", "repositories": list(repositories), "authorities": [authority], **more}


@asynccontextmanager
async def assembled(*policies: Json, hosts: tuple[str, ...], **more: Any) -> AsyncIterator[Assembly]:
    registries = [{"hosts": list(hosts), "plainHttp": True}]
    document = {
        "cluster": {"connect": "none"},
        "policy": {"sources": []},
        "provenance": {"policies": list(policies), "registries": registries, "timeoutSeconds": 30, **more},
    }
    found = await assemble(parse_config(json.dumps(document).encode(), source="test"))
    try:
        yield found
    finally:
        await found.close()


async def judge(assembly: Assembly, body: bytes, *, seconds: float = 60.0) -> Verdict:
    return await assembly.judge.judge(decode_review(body), deadline_seconds=seconds)


def oci_repository(reference: str, **more: Any) -> bytes:
    """An OCIRepository of a reference, verified by itself."""
    name, _, digest = reference.partition("@")
    return review(FLUX, "OCIRepository", {"url": f"oci://{name}", "ref": {"digest": digest}, "verify": SOUND, **more})


async def pushed(registry: RealRegistry, cosign: Cosign | None = None, *, content: str = "") -> str:
    repository = f"acme/guard-{next(_names)}"
    digest = await push(registry.host, repository, "v1", {"a.yaml": (content or repository).encode()})
    if cosign is not None:
        cosign.sign(f"{registry.host}/{repository}@{digest}")
    return f"{registry.host}/{repository}@{digest}"


def rules(verdict: Verdict, action: Action | None = None) -> list[str]:
    return [found.rule for found in verdict.findings if action in (None, found.action)]


async def test_what_is_signed_is_admitted_and_recorded(registry: RealRegistry, cosign: Cosign) -> None:
    """With the digest, the policy and the key."""
    reference = await pushed(registry, cosign)
    async with assembled(policy(cosign, f"{registry.host}/acme/*"), hosts=(registry.host,)) as assembly:
        verdict = await judge(assembly, oci_repository(reference))
    assert verdict.decision is Decision.ALLOW
    assert not verdict.findings
    assert any(f"{reference}: verified by TrustPolicy acme (key 2026)" in reason for reason in verdict.reasons)


async def test_what_is_not_signed_so_is_denied(registry: RealRegistry, cosign: Cosign, stranger: Cosign) -> None:
    """Unsigned, or by somebody else; the message names the artifact, the policy and what to do."""
    async with assembled(policy(cosign, f"{registry.host}/acme/*"), hosts=(registry.host,)) as assembly:
        for signer, text in ((None, "no signature was found"), (stranger, "not accepted")):
            reference = await pushed(registry, signer)
            body = oci_repository(reference)
            verdict = await judge(assembly, body)
            assert verdict.decision is Decision.DENY
            message = assembly.message(verdict, decode_review(body))
            assert reference in message
            assert text in message
            assert "TrustPolicy acme" in message


async def test_what_no_policy_is_about_is_not_looked_at(registry: RealRegistry, cosign: Cosign) -> None:
    """Not applicable, without a question to any registry; unless the configuration wants to be told."""
    before = len(registry.requests())
    elsewhere = policy(cosign, "ghcr.io/acme/**")
    pod = review("", "Pod", {"containers": [{"name": "a", "image": f"{registry.host}/acme/app:v1"}]})
    async with assembled(elsewhere, hosts=(registry.host,)) as assembly:
        verdict = await judge(assembly, pod)
        assert verdict.decision is Decision.ALLOW
        assert "provenance: no trust policy is about it" in verdict.reasons
    async with assembled(elsewhere, hosts=(registry.host,), unmatched="deny") as assembly:
        assert rules(await judge(assembly, pod), Action.DENY) == ["provenance/unmatched"]
    assert len(registry.requests()) == before


async def test_images_are_verified_by_their_tags_too(registry: RealRegistry, cosign: Cosign) -> None:
    """A tag is resolved once, and that it can be moved is told; every container counts."""
    signed, unsigned = await pushed(registry, cosign), await pushed(registry)
    tagged = [found.partition("@")[0] + ":v1" for found in (signed, unsigned)]

    def pod(init: str, main: str) -> bytes:
        containers = {"initContainers": [{"name": "i", "image": init}], "containers": [{"name": "c", "image": main}]}
        return review("apps", "Deployment", {"template": {"spec": containers}})

    async with assembled(policy(cosign, f"{registry.host}/**"), hosts=(registry.host,)) as assembly:
        good = await judge(assembly, pod(tagged[0], signed))
        assert good.decision is Decision.ALLOW
        assert rules(good) == ["provenance/mutable-reference"]
        bad = await judge(assembly, pod(tagged[1], signed))
        assert bad.decision is Decision.DENY
        (denied,) = (found for found in bad.findings if found.action is Action.DENY)
        assert denied.field == "spec.template.spec.initContainers[name=i].image"


@pytest.mark.parametrize(
    ("group", "kind", "spec"),
    [
        (
            "argoproj.io",
            "Application",
            lambda name, digest: {"source": {"repoURL": f"oci://{name}", "targetRevision": digest}},
        ),
        ("pkg.crossplane.io", "Provider", lambda name, digest: {"package": f"{name}@{digest}"}),
        ("", "Pod", lambda name, digest: {"containers": [{"name": "a", "image": f"{name}@{digest}"}]}),
    ],
)
async def test_every_kind_of_source_is_judged(
    registry: RealRegistry, cosign: Cosign, group: str, kind: str, spec: Callable[[str, str], Json]
) -> None:
    """The same artifact, whoever fetches it."""
    async with assembled(policy(cosign, f"{registry.host}/acme/*"), hosts=(registry.host,)) as assembly:
        for signer, decision in ((cosign, Decision.ALLOW), (None, Decision.DENY)):
            name, _, digest = (await pushed(registry, signer)).partition("@")
            assert (await judge(assembly, review(group, kind, spec(name, digest)))).decision is decision


async def test_sources_must_verify_by_themselves(registry: RealRegistry, cosign: Cosign) -> None:
    """As strictly as the policy says, also where an update takes it away and nothing else."""
    reference = await pushed(registry, cosign)
    name, _, digest = reference.partition("@")
    good = {"url": f"oci://{name}", "ref": {"digest": digest}, "verify": SOUND}
    bad = {"url": f"oci://{name}", "ref": {"digest": digest}}
    strict = policy(cosign, f"{registry.host}/acme/*", sources="deny")
    async with assembled(strict, hosts=(registry.host,)) as assembly:
        verdict = await judge(assembly, review(FLUX, "OCIRepository", bad, old=good))
        assert rules(verdict, Action.DENY) == ["provenance/source-verification"]
        assert (await judge(assembly, review(FLUX, "OCIRepository", good, old=bad))).decision is Decision.ALLOW
        untouched = await judge(assembly, review(FLUX, "OCIRepository", bad, old=bad))
        assert untouched.decision is Decision.ALLOW
    async with assembled(policy(cosign, f"{registry.host}/acme/*"), hosts=(registry.host,)) as assembly:
        verdict = await judge(assembly, review(FLUX, "OCIRepository", bad))
        assert rules(verdict) == ["provenance/source-verification"]
        assert verdict.decision is Decision.ALLOW


async def test_a_range_is_judged_by_the_version_it_stands_for_now(registry: RealRegistry, cosign: Cosign) -> None:
    """The newest that is in it; the record and the message name it, and that it may be another one later."""
    repository = f"acme/guard-{next(_names)}"
    for tag, signed in (("1.0.0", True), ("1.10.0", True), ("1.9.0", False), ("2.0.0-rc.1", False), ("2.0.0", False)):
        digest = await push(registry.host, repository, tag, {"a.yaml": tag.encode()})
        if signed:
            cosign.sign(f"{registry.host}/{repository}@{digest}")
    name = f"{registry.host}/{repository}"

    def ranged(**reference: str) -> bytes:
        return review(FLUX, "OCIRepository", {"url": f"oci://{name}", "ref": reference, "verify": SOUND})

    async with assembled(policy(cosign, f"{registry.host}/acme/*"), hosts=(registry.host,)) as assembly:
        good = await judge(assembly, ranged(semver="1.x"))
        assert (good.decision, rules(good)) == (Decision.ALLOW, ["provenance/mutable-reference"])
        assert any(f"{name}:1.10.0 (sha256:" in reason and "newest in 1.x" in reason for reason in good.reasons)
        bad = await judge(assembly, ranged(semver=">=1"))
        assert rules(bad, Action.DENY) == ["provenance/signature"]
        (denied,) = (found for found in bad.findings if found.action is Action.DENY)
        assert f"{name}:2.0.0 (sha256:" in denied.message
        assert "the newest in >=1" in denied.message
        for asked, reason in ((">=3", "none of 5 tags"), ("nonsense", "cannot be read")):
            doubt = await judge(assembly, ranged(semver=asked))
            assert doubt.decision is Decision.UNDECIDED
            assert reason in doubt.indeterminate[0].reason
        filtered = await judge(assembly, ranged(semver=">=1", semverFilter=r"^1\."))
        assert filtered.decision is Decision.ALLOW


async def test_ranges_of_charts_and_of_argo_cd_are_judged(registry: RealRegistry, cosign: Cosign) -> None:
    """A chart's version, an Application's revision; as those who fetch them read them."""
    repository = f"acme/guard-{next(_names)}"
    for tag, signed in (("1.0.0", True), ("v1.5.0", False), ("2.0.0_b1", False)):
        digest = await push(registry.host, repository, tag, {"a.yaml": tag.encode()})
        if signed:
            cosign.sign(f"{registry.host}/{repository}@{digest}")
    name = f"{registry.host}/{repository}"
    chart = {"repoURL": f"{registry.host}/acme", "chart": repository.rpartition("/")[2]}
    asked = [
        ({"repoURL": f"oci://{name}", "targetRevision": "~1.0"}, "1.0.0"),
        ({"repoURL": f"oci://{name}", "targetRevision": "1.x"}, "v1.5.0"),
        ({**chart, "targetRevision": "1.x"}, "v1.5.0"),
        ({**chart, "targetRevision": "2.x"}, "2.0.0_b1"),
    ]
    async with assembled(policy(cosign, f"{registry.host}/acme/*"), hosts=(registry.host,)) as assembly:
        for source, tag in asked:
            verdict = await judge(assembly, review("argoproj.io", "Application", {"source": source}))
            assert verdict.decision is (Decision.ALLOW if tag == "1.0.0" else Decision.DENY)
            assert any(f"{name}:{tag} (sha256:" in reason for reason in verdict.reasons)


async def test_a_registry_that_fails_leaves_it_undecided(cosign: Cosign) -> None:
    """503, never a denial and never a pass; what it does is the policy's mode at worst."""
    async with FaultyRegistry().serve() as faulty:
        digest = faulty.add_artifact("v1")
        faulty.faults = [("/referrers/", respond(500))]
        body = oci_repository(f"{faulty.host}/acme/app@{digest}")
        for more, decision in (({}, Decision.UNDECIDED), ({"mode": "warn"}, Decision.ALLOW)):
            async with assembled(policy(cosign, f"{faulty.host}/**", **more), hosts=(faulty.host,)) as assembly:
                verdict = await judge(assembly, body)
                assert verdict.decision is decision
                assert "unreachable:" in verdict.indeterminate[0].reason
        async with assembled(policy(cosign, f"{faulty.host}/**"), hosts=(faulty.host,), onError="allow") as assembly:
            assert (await judge(assembly, body)).decision is Decision.ALLOW


async def test_a_doubt_about_one_is_not_weakened_by_another(registry: RealRegistry, cosign: Cosign) -> None:
    """What cannot be read may be about the strictest policy; what is only warned about elsewhere does not change that."""
    lenient = policy(cosign, f"{registry.host}/**", mode="warn")
    strict = {**policy(cosign, "ghcr.io/**"), "name": "strict"}
    images = [await pushed(registry), f"ghcr.io/acme/app@sha512:{'0' * 128}"]
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    async with assembled(lenient, strict, hosts=(registry.host,)) as assembly:
        verdict = await judge(assembly, review("", "Pod", {"containers": containers}))
    assert rules(verdict, Action.WARN) == ["provenance/signature"]
    assert verdict.decision is Decision.UNDECIDED


async def test_a_slow_registry_is_undecided_at_the_deadline(cosign: Cosign) -> None:
    """The request is answered in time."""
    async with FaultyRegistry().serve() as faulty:
        digest = faulty.add_artifact("v1")
        faulty.faults = [("/referrers/", stall)]
        async with assembled(policy(cosign, f"{faulty.host}/**"), hosts=(faulty.host,)) as assembly:
            verdict = await judge(assembly, oci_repository(f"{faulty.host}/acme/app@{digest}"), seconds=0.3)
    assert verdict.decision is Decision.UNDECIDED
    assert verdict.indeterminate[0].reason == "the deadline passed"


async def test_a_hundred_at_once_are_one_verification(registry: RealRegistry, cosign: Cosign) -> None:
    """Of one digest: three questions for all; and none while the evidence is kept."""
    reference = await pushed(registry, cosign)
    async with assembled(policy(cosign, f"{registry.host}/acme/*"), hosts=(registry.host,)) as assembly:
        before = len(registry.requests())
        verdicts = await asyncio.gather(*(judge(assembly, oci_repository(reference)) for _ in range(100)))
        assert {verdict.decision for verdict in verdicts} == {Decision.ALLOW}
        assert len(registry.requests()) == before + 3
        await judge(assembly, oci_repository(reference))
        assert len(registry.requests()) == before + 3


async def test_a_cache_hit_skips_no_rule(registry: RealRegistry, cosign: Cosign, stranger: Cosign) -> None:
    """What one policy was satisfied by is no answer for another one."""
    reference = await pushed(registry, cosign)
    both = (
        policy(cosign, f"{registry.host}/acme/*"),
        {**policy(stranger, f"{registry.host}/acme/*"), "name": "second"},
    )
    async with assembled(*both, hosts=(registry.host,)) as assembly:
        for _ in range(2):
            verdict = await judge(assembly, oci_repository(reference))
            (denied,) = verdict.findings
            assert "TrustPolicy second" in denied.message


async def test_what_is_waived_counts_for_nothing(registry: RealRegistry, cosign: Cosign) -> None:
    """And is in the record, with who accepted it."""
    reference = await pushed(registry)
    config = parse_config(
        json.dumps(
            {
                "provenance": {
                    "policies": [policy(cosign, f"{registry.host}/acme/*")],
                    "registries": [{"hosts": [registry.host], "plainHttp": True}],
                }
            }
        ).encode(),
        source="test",
    )
    gate = Gate(config.provenance)
    trust = ConfiguredTrust(await configured_trust(config.provenance))

    def accept(findings: Sequence[Finding]) -> list[Finding]:
        return [msgspec.structs.replace(found, exception="waiver/x") for found in findings]

    guard = provenance_guard(config, trust, gate, waive=accept)
    try:
        outcome = await guard.judge(decode_review(oci_repository(reference)))
    finally:
        await gate.close()
        await trust.close()
    assert isinstance(outcome, Judged)
    assert [found.exception for found in outcome.findings] == ["waiver/x"]
    assert combine([outcome]).decision is Decision.ALLOW


async def test_exempt_namespaces_are_not_judged(registry: RealRegistry, cosign: Cosign) -> None:
    """kube-system must be able to start."""
    pod = review("", "Pod", {"containers": [{"name": "a", "image": f"{registry.host}/x:1"}]}, namespace="kube-system")
    async with assembled(policy(cosign, "**"), hosts=(registry.host,)) as assembly:
        assert (await judge(assembly, pod)).decision is Decision.ALLOW


async def test_too_many_artifacts_are_undecided(registry: RealRegistry, cosign: Cosign) -> None:
    """One object cannot have the gateway ask without end."""
    containers = [{"name": f"c{number}", "image": f"{registry.host}/acme/x{number}:1"} for number in range(40)]
    before = len(registry.requests())
    async with assembled(policy(cosign, "**"), hosts=(registry.host,)) as assembly:
        verdict = await judge(assembly, review("", "Pod", {"containers": containers}))
    assert verdict.decision is Decision.UNDECIDED
    assert len(registry.requests()) == before


async def test_a_trust_policy_is_checked_when_it_is_written(cosign: Cosign) -> None:
    """One that could not be used is denied; it can name no files of the gateway."""
    spec = {name: value for name, value in policy(cosign, "ghcr.io/**").items() if name != "name"}
    broken = [
        {**spec, "authorities": []},
        {**spec, "authorities": [{"name": "a", "keys": [{"pem": "garbage"}]}]},
        {**spec, "authorities": [{"name": "a", "keys": [{"file": "/etc/passwd"}]}]},
        {**spec, "authorities": [{"name": "a", "identities": [{"issuer": "https://i", "subjectRegexp": "x"}]}]},
        {**spec, "attestations": [{"predicateType": "t", "rego": "package p"}]},
        {**spec, "repositories": []},
        {**spec, "unknown": 1},
    ]

    def written(found: Json) -> bytes:
        body = json.loads(review("govgate.dev", "TrustPolicy", found))
        body["request"]["object"]["apiVersion"] = "govgate.dev/v1alpha1"
        return json.dumps(body).encode()

    async with assembled(hosts=("x",)) as assembly:
        assert (await judge(assembly, written(spec))).decision is Decision.ALLOW
        for found in broken:
            verdict = await judge(assembly, written(found))
            assert rules(verdict, Action.DENY) == ["provenance/trust-policy"], found
