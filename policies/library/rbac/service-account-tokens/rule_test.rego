package govgate.rules.rbac.service_account_tokens_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.rbac.service_account_tokens as rule

cases := {
	"reading accounts": {"object": {"rules": [{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["create"]}]}, "fields": set()},
	"of another group": {"object": {"rules": [{"apiGroups": ["apps"], "resources": ["*"], "verbs": ["create"]}]}, "fields": set()},
	"another verb": {"object": {"rules": [{"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["get"]}]}, "fields": set()},
	"tokens": {"object": {"rules": [{"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}]}, "fields": {"rules[0].resources"}},
	"by wildcard": {"object": {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}, "fields": {"rules[0].resources"}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
