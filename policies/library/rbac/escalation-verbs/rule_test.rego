package govgate.rules.rbac.escalation_verbs_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.rbac.escalation_verbs as rule

cases := {
	"others": {"object": {"rules": [{"verbs": ["get", "create"]}]}, "fields": set()},
	"each": {
		"object": {"rules": [{"verbs": ["get"]}, {"verbs": ["get", "escalate", "bind", "impersonate", "impersonate:user-info"]}]},
		"fields": {"rules[1].verbs[1]", "rules[1].verbs[2]", "rules[1].verbs[3]", "rules[1].verbs[4]"},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
