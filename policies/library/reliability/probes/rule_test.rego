package govgate.rules.reliability.probes_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.reliability.probes as rule

cases := {
	"there": {
		"object": fixtures.deployment(fixtures.pod_of({"readinessProbe": {"httpGet": {"port": 80}}})),
		"parameters": {"required": ["readinessProbe"]},
		"fields": set(),
	},
	"missing": {
		"object": fixtures.deployment(fixtures.pod_of({"livenessProbe": null})),
		"parameters": {"required": ["readinessProbe", "livenessProbe"]},
		"fields": {
			"spec.template.spec.containers[name=app].readinessProbe",
			"spec.template.spec.containers[name=app].livenessProbe",
		},
	},
	"none required": {"object": fixtures.deployment(fixtures.pod({})), "parameters": {"required": []}, "fields": set()},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
