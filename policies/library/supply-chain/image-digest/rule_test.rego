package govgate.rules.supply_chain.image_digest_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.supply_chain.image_digest as rule

cases := {
	"none": {"object": fixtures.pod({"containers": []}), "fields": set()},
	"a digest": {"object": fixtures.pod_of({"image": "registry.example/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}), "fields": set()},
	"a tag and a digest": {"object": fixtures.pod_of({"image": "registry.example/app:1.2@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}), "fields": set()},
	"a tag": {"object": fixtures.pod({}), "fields": {"spec.containers[name=app].image"}},
	"half a digest": {"object": fixtures.pod_of({"image": "registry.example/app@sha256:0123"}), "fields": {"spec.containers[name=app].image"}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
