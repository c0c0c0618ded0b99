package govgate.rules.rbac.cluster_admin_binding_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.rbac.cluster_admin_binding as rule

cases := {
	"another role": {"object": {"roleRef": {"name": "view"}}, "fields": set()},
	"cluster-admin": {"object": {"roleRef": {"name": "cluster-admin"}}, "fields": {"roleRef.name"}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
