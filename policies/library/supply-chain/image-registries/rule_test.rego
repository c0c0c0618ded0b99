package govgate.rules.supply_chain.image_registries_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.supply_chain.image_registries as rule

cases := {
	"nothing listed": {"object": fixtures.pod({}), "parameters": {"registries": []}, "fields": set()},
	"a registry": {"object": fixtures.pod({}), "parameters": {"registries": ["other.example", "registry.example"]}, "fields": set()},
	"a part of a registry": {"object": fixtures.pod_of({"image": "registry.example/team/app"}), "parameters": {"registries": ["registry.example/team/"]}, "fields": set()},
	"one image": {"object": fixtures.pod({}), "parameters": {"registries": ["registry.example/app"]}, "fields": set()},
	"Docker Hub's short names": {"object": fixtures.pod_of({"image": "nginx"}), "parameters": {"registries": ["docker.io/library"]}, "fields": set()},
	"another": {"object": fixtures.pod_of({"image": "nginx"}), "parameters": {"registries": ["registry.example"]}, "fields": {"spec.containers[name=app].image"}},
	"one whose name begins alike": {
		"object": fixtures.pod_of({"image": "registry.example.evil.example/app"}),
		"parameters": {"registries": ["registry.example"]},
		"fields": {"spec.containers[name=app].image"},
	},
	"a part whose name begins alike": {
		"object": fixtures.pod_of({"image": "registry.example/team-b/app"}),
		"parameters": {"registries": ["registry.example/team"]},
		"fields": {"spec.containers[name=app].image"},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
