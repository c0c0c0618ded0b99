package govgate.rules.rbac.wildcards_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.rbac.wildcards as rule

cases := {
	"none": {"object": {"rules": null}, "fields": set()},
	"listed": {"object": {"rules": [{"apiGroups": [""], "resources": ["pods", "*/scale"], "verbs": ["get"]}]}, "fields": set()},
	"each": {
		"object": {"rules": [
			{"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]},
			{"apiGroups": [""], "resources": ["*"], "verbs": ["get", "*"]},
			{"nonResourceURLs": ["*"], "verbs": ["get"]},
		]},
		"fields": {"rules[0].apiGroups", "rules[1].resources", "rules[1].verbs", "rules[2].nonResourceURLs"},
	},
	"aggregated": {"object": {"aggregationRule": {}, "rules": [{"apiGroups": ["*"]}]}, "fields": set()},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
