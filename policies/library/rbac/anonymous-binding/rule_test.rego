package govgate.rules.rbac.anonymous_binding_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.rbac.anonymous_binding as rule

cases := {
	"none": {"object": {"subjects": null}, "fields": set()},
	"a user": {"object": {"subjects": [{"kind": "User", "name": "alice@example.com"}]}, "fields": set()},
	"everybody": {
		"object": {"subjects": [{"kind": "User", "name": "system:anonymous"}, {"kind": "Group", "name": "system:unauthenticated"}]},
		"fields": {"subjects[0]", "subjects[1]"},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
