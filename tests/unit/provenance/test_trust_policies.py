"""Trust policies: read, and evaluated over evidence."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.provenance import Attestation, TrustAuthority, TrustedKey, TrustPolicy, TrustPolicySpec
from gateway.config.yaml import read_yaml
from gateway.core.errors import ConfigError
from gateway.provenance.evidence import COSIGN_SIGN, Artifact, Evidence, Rejected, Signed, Signer
from gateway.provenance.oci.errors import BadReferenceError
from gateway.provenance.oci.reference import parse_reference
from gateway.provenance.trust.evaluate import Question, evaluate, questions
from gateway.provenance.trust.patterns import matches, meant
from gateway.provenance.trust.reading import Trust, is_anchored, read_object, read_policy, unusable

ARTIFACT = Artifact("sha256:" + "0" * 64, "application/vnd.oci.image.manifest.v1+json", "application/flux", 1)
NAMES = ("a", "b", "c")
TYPE = "https://example.com/t"
SAID = msgspec.Raw(b"{}")


def trust(names: tuple[str, ...] = NAMES, **more: Any) -> Trust:
    authorities = tuple(TrustAuthority(name, keys=(TrustedKey(pem="PEM"),)) for name in names)
    policy = TrustPolicy(repositories=("**",), authorities=authorities, name="p", **more)
    return read_policy(policy, source="test")


def signed(authority: str, predicate_type: str = "", format_: Any = "sigstore-bundle") -> Signed:
    return Signed(authority, format_, Signer(key="k"), None, "none", None, predicate_type, SAID, "s", f"m-{authority}")


def rejected(reason: str = "wrong") -> Rejected:
    return Rejected("sigstore-bundle", "m", "signature", reason, "sign it again", "a")


def satisfied(policy: Trust, *found: Signed, refused: tuple[Rejected, ...] = ()) -> bool:
    return evaluate(policy, Evidence(ARTIFACT, found, refused), {}).satisfied


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("ghcr.io/acme/app", "ghcr.io/acme/app", True),
        ("ghcr.io/acme/*", "ghcr.io/acme/app", True),
        ("ghcr.io/acme/*", "ghcr.io/acme/team/app", False),
        ("ghcr.io/acme/**", "ghcr.io/acme/team/app", True),
        ("ghcr.io/acme/*", "ghcr.io/acmeevil/app", False),
        ("ghcr.io/acme/*", "evil.io/ghcr.io/acme/app", False),
        ("ghcr.io/*/app", "ghcr.io/x/app", True),
        ("*.example.com/app", "r.example.com/app", True),
        ("*.example.com/app", "evil.com/x.example.com/app", False),
        ("ghcr.io", "ghcr.io/app", False),
        ("ghcrxio/app", "ghcr.io/app", False),
        ("**", "anything/at/all", True),
    ],
)
def test_patterns_match_whole_names(pattern: str, name: str, expected: bool) -> None:
    """Nothing before, nothing behind; one star stays within a part; a dot is a dot."""
    assert matches(pattern, name) is expected


@given(st.text(alphabet="a/*", max_size=8), st.text(alphabet="a/", max_size=10))
def test_patterns_are_the_regular_expressions_that_they_stand_for(pattern: str, name: str) -> None:
    """Against another implementation."""
    parts = (_WILD.get(piece, piece) for piece in re.split(r"(\*\*|\*)", pattern))
    assert matches(pattern, name) is (re.fullmatch("".join(parts), name) is not None)


_WILD = {"*": "[^/]*", "**": ".*"}


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("GHCR.io/acme/**", "ghcr.io/acme/**"),
        ("oci://ghcr.io/acme/**", "ghcr.io/acme/**"),
        ("https://ghcr.io/acme/*", "ghcr.io/acme/*"),
        ("ghcr.io:443/acme/**", "ghcr.io/acme/**"),
        ("*.example.com:443/acme/**", "*.example.com/acme/**"),
        ("reg.corp:80/acme/**", "reg.corp/acme/**"),
        ("*.reg.corp:80/**", "*.reg.corp/**"),
        ("[0:0:0:0:0:0:0:1]:5000/a", "[::1]:5000/a"),
        ("index.docker.io/acme/*", "docker.io/acme/*"),
        ("registry-1.docker.io/nginx", "docker.io/library/nginx"),
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("docker.io", "docker.io/**"),
        ("docker.io/*", "docker.io/**"),
        ("acme/app", "docker.io/acme/app"),
        ("nginx", "docker.io/library/nginx"),
        ("nginx:1", "docker.io/library/nginx"),
        ("ghcr.io", "ghcr.io/**"),
        ("localhost:5000", "localhost:5000/**"),
        ("ghcr.io/acme/app:*", "ghcr.io/acme/app"),
        ("ghcr.io/acme/app@sha256:*", "ghcr.io/acme/app"),
        ("ghcr.io/acme/", "ghcr.io/acme"),
        ("ghcr.io/Acme/*", "ghcr.io/acme/*"),
        (" ghcr.io/acme/** ", "ghcr.io/acme/**"),
        ("ghcr.io:0443/acme/**", ""),
        ("ghcr.io/acme//app", ""),
        ("ghcr.io/acme app/x", ""),
        ("ghcr.io/a:1/b", ""),
        ("ghcr.io/.*", ""),
        ("/acme", ""),
        ("*", ""),
        ("*:0443/acme", ""),
        ("\u0430cme.io/app", ""),
    ],
)
def test_a_pattern_about_nothing_is_refused(pattern: str, written: str) -> None:
    """It would protect nothing, and look as if it did; the message says what to write."""
    assert meant(pattern) == written
    with pytest.raises(ConfigError) as caught:
        from_object(repositories=["ghcr.io/acme/**", pattern])
    assert (f"write {written!r}" if written else "is no pattern") in str(caught.value)
    assert not written or from_object(repositories=[written])


@pytest.mark.parametrize(
    "pattern",
    ["**", "**/app", "*/acme/*", "*.example.com/**", "*.example.com:5000/**", "localhost/*", "127.0.0.1:5000/a/**",
     "registry:5000/a", "registry:80/a", "docker.io:80/a", "[::1]:5000/**", "docker.io/**", "docker.io/library/*", "docker.io/acme/*", "ghcr.io/**",
     "ghcr.io/acme/app-*", "ghcr.io/a*b/**", "ghcr.io/*", "ghcr.io**", "*:50*/x", "oci-layout:./A:b", "oci-layout:**"],
)  # fmt: skip
def test_a_pattern_that_can_match_is_taken(pattern: str) -> None:
    """As it is."""
    assert from_object(repositories=[pattern]).policy.repositories == (pattern,)


@given(st.text(alphabet="aB.:/*@-[]80 \n", max_size=14), st.text(alphabet="ab.:/80", max_size=14))
def test_only_patterns_about_nothing_are_refused(pattern: str, reference: str) -> None:
    """What could match any name is taken as it is; what is proposed instead is taken, too."""
    written = meant(pattern)
    assert not written or meant(written) == written
    try:
        name = parse_reference(reference).name
    except BadReferenceError:
        return
    assert meant(name) == name
    assert written == pattern or not matches(pattern, name)


def test_no_pattern_takes_long() -> None:
    """Stars upon stars do not multiply."""
    assert not matches("**a" * 60 + "b", "a" * 500)
    assert matches("*" * 61 + "/" + "**a" * 60, "x/" + "a" * 400)


def test_any_or_all_must_have_signed() -> None:
    """As the policy says."""
    assert satisfied(trust(), signed("b"))
    assert not satisfied(trust(match="all"), signed("a"), signed("b"))
    assert satisfied(trust(match="all"), signed("a"), signed("b"), signed("c"))
    assert not satisfied(trust())


def test_an_attestation_is_no_signature() -> None:
    """Whoever signed it; cosign's own statement that it signs is one."""
    assert not satisfied(trust(), signed("a", TYPE))
    assert satisfied(trust(), signed("a", COSIGN_SIGN))


def test_somebody_else_is_nobody() -> None:
    """Evidence by an authority that the policy does not have, or in a format that it does not take."""
    assert not satisfied(trust(), signed("other"))
    assert not satisfied(trust(formats=("cosign-legacy",)), signed("a"))


def test_a_signature_is_no_attestation() -> None:
    """And one of another type, or of somebody whose word does not count, is not the one."""
    wanted = trust(signature=False, attestations=(Attestation(TYPE, authorities=("b",)),))
    assert not satisfied(wanted, signed("b"))
    assert not satisfied(wanted, signed("b", TYPE + "x"))
    assert not satisfied(wanted, signed("a", TYPE))
    assert satisfied(wanted, signed("b", TYPE))


def test_a_rule_must_say_yes() -> None:
    """No is a problem; no answer is neither yes nor a problem, but undecided; one yes is enough."""
    wanted = trust(attestations=(Attestation(TYPE, rego="package p"),))
    evidence = Evidence(ARTIFACT, (signed("a"), signed("a", TYPE), signed("b", TYPE)))
    first, second = questions(wanted, evidence)
    assert (first, second) == (Question(0, 1), Question(0, 2))
    accepted = evaluate(wanted, evidence, {first: "no", second: "yes"})
    assert (accepted.satisfied, accepted.by) == (True, (0, 2)), "what was not accepted did not count"
    denied = evaluate(wanted, evidence, {first: "no", second: "no"})
    assert [problem.rule for problem in denied.problems] == ["provenance/attestation"]
    for said in ({}, {first: "undecided", second: "no"}):
        doubt = evaluate(wanted, evidence, said)  # type: ignore[arg-type]
        assert doubt.undecided
        assert not doubt.satisfied


def test_every_attestation_of_a_policy_is_wanted() -> None:
    """Two are there, or one is missing and told."""
    wanted = trust(signature=False, attestations=(Attestation(TYPE), Attestation(f"{TYPE}2")))
    assert satisfied(wanted, signed("a", TYPE), signed("b", f"{TYPE}2"))
    said = evaluate(wanted, Evidence(ARTIFACT, (signed("a", TYPE),)), {})
    assert [problem.message for problem in said.problems] == [
        f"attestation {TYPE}2: there is none by whom the policy trusts"
    ]
    assert said.undecided == ""


def test_all_must_satisfy_a_rule_where_the_policy_says_so() -> None:
    """Each that is there by whom it trusts, and there is one; one refused is a denial, whatever is not known."""
    wanted = trust(attestations=(Attestation(TYPE, ("a", "b"), "package p", match="all"),))
    found = (signed("a"), signed("a", TYPE), signed("b", TYPE), signed("c", TYPE))
    whole = Evidence(ARTIFACT, found, complete=True)
    first, second = questions(wanted, whole)
    assert evaluate(wanted, whole, {first: "yes", second: "yes"}).satisfied
    assert evaluate(wanted, whole, {first: "yes", second: "yes"}).by == (0, 1, 2)
    for second_said in ("yes", "undecided", "no"):
        for evidence in (whole, msgspec.structs.replace(whole, complete=False)):
            denied = evaluate(wanted, evidence, {first: "no", second: second_said})  # type: ignore[dict-item]
            assert "of 2 attestations" in denied.problems[0].message
            assert not denied.undecided
    doubt = evaluate(wanted, whole, {first: "yes", second: "undecided"})
    assert "could not be evaluated" in doubt.undecided
    (problem,) = evaluate(wanted, Evidence(ARTIFACT, (signed("a"),), complete=True), {}).problems
    assert "there is none" in problem.message


def test_what_was_not_seen_matters_where_all_must_satisfy() -> None:
    """Then more of it may take away what is satisfied: so it is not, until there is no more."""
    wanted = trust(attestations=(Attestation(TYPE, rego="package p", match="all"),))
    some = Evidence(ARTIFACT, (signed("a"), signed("a", TYPE)))
    said = dict.fromkeys(questions(wanted, some), "yes")
    assert "may be more" in evaluate(wanted, some, said).undecided
    assert evaluate(wanted, msgspec.structs.replace(some, complete=True), said).satisfied
    assert evaluate(trust(attestations=(Attestation(TYPE, rego="package p"),)), some, said).satisfied


def test_the_artifact_must_be_of_the_kind() -> None:
    """By its artifact type or its media type."""
    assert satisfied(trust(artifact_types=("application/flux",)), signed("a"))
    assert not satisfied(trust(artifact_types=("application/helm",)), signed("a"))


def test_a_policy_that_cannot_be_used_decides_nothing() -> None:
    """Neither for whoever has signed nor against who has not: it says why."""
    broken = unusable(trust().policy, "its key is gone", source="test")
    for found in ((), (signed("a"),)):
        said = evaluate(broken, Evidence(ARTIFACT, found), {})
        assert (said.problems, said.undecided, said.satisfied) == ((), "its key is gone", False)


def test_the_reason_is_the_step_that_failed() -> None:
    """The worst of messages is "not verified"; few are shown, the rest counted."""
    evidence = Evidence(ARTIFACT, (), tuple(rejected(f"reason {number}") for number in range(9)))
    (problem,) = evaluate(trust(("a",)), evidence, {}).problems
    assert "signature: reason 0" in problem.message
    assert "(and 6 more)" in problem.message
    assert problem.remedy == "sign it again"


def test_what_counted_is_told() -> None:
    """The statements, by their place in the evidence: signatures and attestations, nothing else."""
    evidence = Evidence(ARTIFACT, (signed("other"), signed("a"), signed("b", TYPE), signed("c", "x"), signed("b")))
    wanted = trust(attestations=(Attestation(TYPE),))
    assert evaluate(wanted, evidence, {}).by == (1, 2, 4)
    assert questions(wanted, evidence) == []


@pytest.mark.parametrize(
    ("policy", "found", "refused", "message"),
    [
        (trust(), (), (), "not signed by a or b or c: no signature was found"),
        (trust(match="all"), (signed("b"),), (), "not signed by a and c: no signature was found"),
        (trust(("a",)), (signed("a", TYPE),), (), "not signed by a: there are attestations, but no signature"),
        (trust(("a",)), (), (rejected(),), "not signed by a: one found, not accepted: signature: wrong"),
        (
            trust(("a",)),
            (),
            (rejected(), msgspec.structs.replace(rejected("late"), source="n")),
            "not signed by a: 2 found, not accepted: signature: wrong; signature: late",
        ),
        (trust(("a",), artifact_types=("x", "y")), (signed("a"),), (), "the artifact is application/flux, not x, y"),
        (
            trust(("a",), attestations=(Attestation(TYPE),)),
            (signed("a"),),
            (),
            f"attestation {TYPE}: there is none by whom the policy trusts",
        ),
        (
            trust(("a",), attestations=(Attestation(TYPE),)),
            (signed("a"),),
            (rejected(),),
            f"attestation {TYPE}: one found, not accepted: signature: wrong",
        ),
    ],
)
def test_what_is_missing_is_told(
    policy: Trust, found: tuple[Signed, ...], refused: tuple[Rejected, ...], message: str
) -> None:
    """Whose signature, and why what there is does not do."""
    (problem,) = evaluate(policy, Evidence(ARTIFACT, found, refused), {}).problems
    assert problem.message == message
    assert problem.remedy


@pytest.mark.parametrize(
    ("artifact", "kind"),
    [(Artifact("d", "m", "t"), "t"), (Artifact("d", "m"), "m"), (Artifact("d"), "of no type")],
)
def test_an_artifact_is_called_by_its_type(artifact: Artifact, kind: str) -> None:
    """The artifact type, else the media type."""
    (problem,) = evaluate(trust(("a",), artifact_types=("x",)), Evidence(artifact, (signed("a"),)), {}).problems
    assert problem.message == f"the artifact is {kind}, not x"


def test_a_rule_that_says_no_is_told_with_how_often() -> None:
    """So that one looks at the predicates, not for them."""
    wanted = trust(attestations=(Attestation(TYPE, rego="package p"),))
    evidence = Evidence(ARTIFACT, (signed("a"), signed("a", TYPE), signed("b", TYPE)))
    (problem,) = evaluate(wanted, evidence, dict.fromkeys(questions(wanted, evidence), "no")).problems
    assert problem.message == f"none of 2 attestations {TYPE} satisfies the policy's rule"


ALL = [signed(name, kind) for name in (*NAMES, "other") for kind in ("", COSIGN_SIGN, TYPE)]


@given(
    st.lists(st.sampled_from(ALL), max_size=6),
    st.lists(st.sampled_from(ALL), max_size=3),
    st.sampled_from(["any", "all"]),
    st.booleans(),
)
def test_more_evidence_never_takes_anything_away(
    found: list[Signed], more: list[Signed], match: Any, attested: bool
) -> None:
    """What is satisfied stays so, whatever else is found or rejected: that is why one may stop looking. (But for what all
    attestations must satisfy, which is not satisfied before there are no more.)
    """
    policy = trust(match=match, attestations=(Attestation(TYPE),) if attested else ())
    if satisfied(policy, *found):
        assert satisfied(policy, *found, *more, refused=(rejected(),))


@given(st.lists(st.sampled_from(ALL), max_size=6), st.sampled_from(["any", "all"]))
def test_the_decision_is_the_definition(found: list[Signed], match: Any) -> None:
    """Against the rule in one line."""
    signers = {one.authority for one in found if one.predicate_type in ("", COSIGN_SIGN)} & set(NAMES)
    assert satisfied(trust(match=match), *found) is (signers == set(NAMES) if match == "all" else bool(signers))


KEYS = [{"pem": "PEM"}]
SPEC: dict[str, Any] = {"repositories": ["**"], "authorities": [{"name": "a", "keys": KEYS}]}


def from_object(**changes: Any) -> Trust:
    document = {"apiVersion": "govgate.dev/v1alpha1", "kind": "TrustPolicy", "metadata": {"name": "p"}}
    return read_object({**document, "spec": {**SPEC, **changes}}, source="cluster")


def identity(**more: Any) -> list[dict[str, Any]]:
    return [{"name": "a", "identities": [{"issuer": "https://i.example", **more}]}]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"repositories": []}, "repositories"),
        ({"authorities": []}, "authorities"),
        ({"authorities": [{"name": "a"}]}, "nobody is trusted"),
        ({"authorities": [{"name": "a", "notation": {"subjects": ["CN=x"]}}]}, "nobody is trusted"),
        ({"authorities": [{"name": "a", "keys": KEYS, "notation": {"tsa": {"pem": "x"}}}]}, "name those too"),
        (
            {"authorities": [{"name": "a", "notation": {"pem": "x", "requireTimestamp": True}}]},
            "requireTimestamp needs notation.tsa",
        ),
        (
            {"authorities": [{"name": "a", "notation": {"signingAuthority": {"file": "/x"}}}]},
            "signingAuthority: file '/x'",
        ),
        ({"authorities": [{"name": "a", "keys": [{}]}]}, "pem or file"),
        ({"authorities": [{"name": "a", "keys": [{"file": "/etc/shadow"}]}]}, "names no files"),
        ({"authorities": [{"name": "a", "keys": KEYS, "trustedRoot": {"file": "/x"}}]}, "names no files"),
        ({"authorities": [{"name": "a", "keys": [{"pem": "P", "file": "x"}]}]}, "not both"),
        ({"authorities": [{"name": "a", "keys": [{"pem": "P", "notAfter": "2026"}]}]}, "notAfter"),
        ({"authorities": [{"name": "a", "keys": [{"pem": "P", "notAfter": "2026-13-01T00:00:00Z"}]}]}, "no time"),
        ({"authorities": [{"name": "a", "keys": KEYS}] * 2}, "one name"),
        ({"authorities": identity()}, "exactly one"),
        ({"authorities": identity(subject="a", subjectRegexp="^a$")}, "exactly one"),
        ({"authorities": identity(subjectRegexp="acme")}, "must begin with"),
        ({"authorities": identity(subjectRegexp="^acme|evil$")}, "must begin with"),
        ({"authorities": [{"name": "a", "identities": [{"subject": "x"}]}]}, "issuer"),
        ({"signature": False}, "nothing would be demanded"),
        ({"formats": []}, "at least one"),
        ({"formats": ["sigstore"]}, "formats"),
        ({"mode": "enforce"}, "mode"),
        ({"attestations": [{"predicateType": TYPE, "authorities": ["x"]}]}, "no authority x"),
        ({"attestations": [{"predicateType": TYPE, "match": "all"}]}, "of what?"),
        ({"attestation": []}, "attestation"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(changes: dict[str, Any], text: str) -> None:
    """With its name and the place."""
    with pytest.raises(ConfigError, match="TrustPolicy p") as caught:
        from_object(**changes)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "document", [{}, {"kind": "TrustPolicy"}, {"apiVersion": "govgate.dev/v1alpha1", "kind": "TrustPolicy"}]
)
def test_an_object_that_is_none_is_refused(document: dict[str, Any]) -> None:
    """Without a name, without a spec, of another kind."""
    with pytest.raises(ConfigError):
        read_object(document, source="cluster")


@pytest.mark.parametrize(
    ("pattern", "anchored"),
    [
        ("^a$", True), ("^(a|b)$", True), (r"^a\|b$", True), ("^[|]$", True), (r"^a\\$", True), ("^[)|(]$", True),
        ("a", False), ("^a", False), ("a$", False), ("^a|b$", False), (r"^a\$", False), ("^(a)|(b)$", False), ("", False),
        (r"^\Qa(\E|b$", False), ("^a)|(b$", False), (r"^\\Qa$", True), ("^[(]a[)]$", True),
    ],
)  # fmt: skip
def test_anchors_are_those_of_the_whole_pattern(pattern: str, anchored: bool) -> None:
    """An alternative outside of parentheses has anchors on one side only."""
    assert is_anchored(pattern) is anchored


def test_the_digest_is_of_everything_that_is_said() -> None:
    """A revoked key, another level, another name: other evidence is needed."""
    digests = {
        from_object().digest,
        from_object(mode="warn").digest,
        from_object(authorities=[{"name": "a", "keys": [{"pem": "OTHER"}]}]).digest,
        from_object(authorities=[{"name": "a", "keys": [{"pem": "PEM", "revokedAt": "2026-01-01T00:00:00Z"}]}]).digest,
        from_object(authorities=[{"name": "a", "keys": KEYS, "requireLog": True}]).digest,
    }
    assert len(digests) == 5
    assert from_object().digest == from_object().digest


def test_a_policy_knows_when_its_keys_change() -> None:
    """Evidence is kept no longer than that."""
    times = {
        "notBefore": "2026-01-01T00:00:00Z",
        "notAfter": "2026-03-01T00:00:00Z",
        "revokedAt": "2026-02-01T00:00:00Z",
    }
    found = from_object(authorities=[{"name": "a", "keys": [{"pem": "PEM", **times}]}])
    assert found.boundary(datetime(2026, 1, 15, tzinfo=UTC)) == datetime(2026, 2, 1, tzinfo=UTC)
    assert found.boundary(datetime(2026, 2, 15, tzinfo=UTC)) == datetime(2026, 3, 1, tzinfo=UTC)
    assert found.boundary(datetime(2027, 1, 1, tzinfo=UTC)) is None


def test_notation_has_three_kinds_of_anchors() -> None:
    """Each is read into its own place; a service that signs for others is somebody trusted by itself."""
    notation = {"pem": "CA", "subjects": ["CN=x"], "tsa": {"pem": "TSA"}, "requireTimestamp": True}
    (whole,) = from_object(authorities=[{"name": "a", "notation": notation}]).authorities
    assert (whole.notation_anchors, whole.notation_timestamp_authorities) == ("CA", "TSA")
    assert (whole.notation_subjects, whole.notation_require_timestamp) == (("CN=x",), True)
    assert whole.notation_signing_authorities == ""
    (service,) = from_object(authorities=[{"name": "a", "notation": {"signingAuthority": {"pem": "SA"}}}]).authorities
    assert (service.notation_signing_authorities, service.notation_anchors) == ("SA", "")


def test_evidence_survives_being_written_down() -> None:
    """As JSON, and is the same; predicates as they were written."""
    evidence = Evidence(ARTIFACT, (signed("a", TYPE),), (rejected(),))
    written = msgspec.json.encode(evidence)
    read = msgspec.json.decode(written, type=Evidence)
    assert msgspec.json.encode(read) == written
    assert read.rejected == evidence.rejected
    assert bytes(read.signed[0].predicate) == bytes(SAID)


ROOT = Path(__file__).parents[3]


def test_the_example_in_the_documentation_can_be_used() -> None:
    """As it stands, with a key."""
    page = (ROOT / "docs/provenance.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0].replace("…", "AAAA")
    found = read_object(read_yaml(example, source="page"), source="page")
    assert found.concerns("ghcr.io/acme/team/app")
    assert [authority.name for authority in found.authorities] == ["release", "ci"]


def test_the_schema_of_the_cluster_has_the_fields_of_the_model() -> None:
    """But for those that name files."""
    crd = read_yaml((ROOT / "charts/govgate/files/crds/trustpolicies.yaml").read_text(), source="crd")
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]

    def described(schema: Any, model: Any) -> None:
        fields = {field.encode_name: field.type for field in msgspec.inspect.type_info(model).fields}  # type: ignore[attr-defined]
        assert set(schema["properties"]) == set(fields) - {"file"}
        for name, kind in fields.items():
            item = next(iter(getattr(kind, "types", ())), getattr(kind, "item_type", kind))
            below = schema["properties"].get(name, {})
            if isinstance(item, msgspec.inspect.StructType):
                described(below.get("items", below), item.cls)

    described(spec, TrustPolicySpec)
