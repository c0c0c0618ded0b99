package govgate.rules.network.node_port_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.network.node_port as rule

cases := {
	"another type": {"object": {"spec": {"type": "ClusterIP"}}, "fields": set()},
	"a node port": {"object": {"spec": {"type": "NodePort"}}, "fields": {"spec.type"}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
