"""Managed fields: rules in govgate's own form never see them, others see them if they may look."""

import json

import pytest

from gateway.config.policy import Policy
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from policies.embedded import EmbeddedOpa
from policies.loading import load_rules
from policies.rule import Asked

OWN = """# METADATA
# scope: package
# title: T
# custom:
#   id: example/own
#   severity: low
#   action: deny
package example.own

import rego.v1

findings contains {"message": sprintf("%d", [count(found)]), "field": ""} if {
	found := [true | walk(input.review, [path, _]); path[count(path) - 1] == "managedFields"]
}
"""

TEMPLATE = """
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: %(lower)s}
spec:
  crd: {spec: {names: {kind: %(kind)s}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package x
        violation[{"msg": "seen"}] { %(body)s }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: %(kind)s
metadata: {name: c}
spec: {}
"""

BODIES = {
    "KWalk": "walk(input.review.object, [p, _]); p[_] == `managedFields`",
    "KNamed": "input.review.oldObject.metadata.managedFields[_].manager == `m`",
    "KDynamic": 'key := concat("", ["managed", "Fields"]); input.review.object.metadata[key]',
    "KPassed": "f(input.review) } f(r) { r.object.metadata.managedFields",
    "KLabel": "input.review.object.metadata.labels.a == `b`",
}


@pytest.mark.native
async def test_only_who_may_look_is_shown_managed_fields(tmp_path):
    """Whichever way a template reaches them; what reads a label alone is answered all the same."""
    (tmp_path / "own.rego").write_text(OWN)
    for kind, body in BODIES.items():
        text = TEMPLATE % {"kind": kind, "lower": kind.lower(), "body": body}
        (tmp_path / f"{kind}.yaml").write_text(text)
    metadata = {"name": "c", "labels": {"a": "b"}, "managedFields": [{"manager": "m"}]}
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    raw = json.dumps(item).encode()
    request = {
        "uid": "u",
        "operation": "UPDATE",
        "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "object": item,
        "oldObject": item,
    }
    subject = Subject(
        uid="u",
        operation="UPDATE",
        kind=GroupVersionKind("", "v1", "ConfigMap"),
        resource=GroupVersionResource("", "v1", "configmaps"),
        user=UserInfo("ann"),
        namespace="web",
        name="c",
        raw_object=raw,
        raw_old_object=raw,
        raw_request=json.dumps(request).encode(),
    )
    rules = await load_rules(Policy(sources=(str(tmp_path),)), EmbeddedOpa())
    try:
        outcome = await rules.judge(Asked(subject), timeout_seconds=5)
        assert [outcome] == await rules.judge_all([Asked(subject)], timeout_seconds=5)
    finally:
        await rules.close()
    assert outcome.undecided == ()
    said = {finding.rule: finding.message for finding in outcome.findings}
    assert said == {"example/own": "0"} | {f"gatekeeper/{kind}/c": "seen" for kind in BODIES}
