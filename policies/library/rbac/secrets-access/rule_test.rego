package govgate.rules.rbac.secrets_access_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.rbac.secrets_access as rule

cases := {
	"writing": {"object": {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]}, "fields": set()},
	"by name": {"object": {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["mine"]}]}, "fields": set()},
	"all": {"object": {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"], "resourceNames": []}]}, "fields": {"rules[0].resources"}},
	"by wildcard": {"object": {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}, "fields": {"rules[0].resources"}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
