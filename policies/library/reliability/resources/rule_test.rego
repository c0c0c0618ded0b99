package govgate.rules.reliability.resources_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.reliability.resources as rule

cases := {
	"all": {
		"object": fixtures.pod_of({"resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}}),
		"parameters": usual,
		"fields": set(),
	},
	"limits are requests too": {
		"object": fixtures.pod_of({"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}),
		"parameters": usual,
		"fields": set(),
	},
	"for the whole pod": {
		"object": fixtures.pod({"resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}}),
		"parameters": usual,
		"fields": set(),
	},
	"none": {
		"object": fixtures.deployment(fixtures.pod({"initContainers": [fixtures.container("first", {"resources": {"requests": {"memory": "1Gi"}}})]})),
		"parameters": usual,
		"fields": {
			"spec.template.spec.initContainers[name=first].resources.requests.cpu",
			"spec.template.spec.initContainers[name=first].resources.limits.memory",
			"spec.template.spec.containers[name=app].resources.requests.cpu",
			"spec.template.spec.containers[name=app].resources.requests.memory",
			"spec.template.spec.containers[name=app].resources.limits.memory",
		},
	},
	"nothing required": {"object": fixtures.pod({}), "parameters": {"requests": [], "limits": []}, "fields": set()},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}

usual := {"requests": ["cpu", "memory"], "limits": ["memory"]}
