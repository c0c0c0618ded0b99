package govgate.rules.rbac.node_proxy_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.rbac.node_proxy as rule

cases := {
	"metrics": {"object": {"rules": [{"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]}]}, "fields": set()},
	"the proxy": {"object": {"rules": [{"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]}]}, "fields": {"rules[0].resources"}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
