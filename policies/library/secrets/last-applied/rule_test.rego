package govgate.rules.secrets.last_applied_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.secrets.last_applied as rule

cases := {
	"none": {"object": {"kind": "Secret", "metadata": {}}, "fields": set()},
	"without data": {"object": applied({"type": "Opaque", "data": {}}), "fields": set()},
	"data": {"object": applied({"data": {"password": "aHVudGVyMg=="}}), "fields": {field}},
	"text": {"object": applied({"stringData": {"password": "hunter2"}}), "fields": {field}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}

field := "metadata.annotations[\"kubectl.kubernetes.io/last-applied-configuration\"]"

applied(fields) := {
	"kind": "Secret",
	"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.marshal(fields)}},
}

test_the_fix if {
	fixes := {finding.fix | some finding in rule.findings} with input as fixtures.created(applied({"data": {"password": "aHVudGVyMg=="}}))
	fixes == {{"op": "remove"}}
}
