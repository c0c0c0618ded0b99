package govgate.rules.rbac.default_service_account_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.rbac.default_service_account as rule

cases := {
	"a user of that name": {"object": {"subjects": [{"kind": "User", "name": "default"}]}, "fields": set()},
	"another account": {"object": {"subjects": [{"kind": "ServiceAccount", "name": "app"}]}, "fields": set()},
	"the default one": {"object": {"subjects": [{"kind": "ServiceAccount", "name": "default"}]}, "fields": {"subjects[0]"}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
