package govgate.rules.supply_chain.image_latest_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.supply_chain.image_latest as rule

cases := {
	"a version": {"object": fixtures.pod({}), "fields": set()},
	"a digest": {"object": fixtures.pod_of({"image": "app@sha256:0"}), "fields": set()},
	"latest": {"object": fixtures.pod_of({"image": "registry.example/app:latest"}), "fields": {"spec.containers[name=app].image"}},
	"no tag": {"object": fixtures.pod_of({"image": "registry.example:5000/app"}), "fields": {"spec.containers[name=app].image"}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
