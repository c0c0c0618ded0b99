package govgate.rules.reliability.replicas_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.reliability.replicas as rule

cases := {
	"enough": {"object": {"spec": {"replicas": 2}}, "parameters": {"minimum": 2}, "fields": set()},
	"switched off": {"object": {"spec": {"replicas": 0}}, "parameters": {"minimum": 2}, "fields": set()},
	"one": {"object": {"spec": {"replicas": 1}}, "parameters": {"minimum": 2}, "fields": {"spec.replicas"}},
	"not stated": {"object": {"spec": {"replicas": null}}, "parameters": {"minimum": 2}, "fields": {"spec.replicas"}},
	"one is enough": {"object": {"spec": {}}, "parameters": {"minimum": 1}, "fields": set()},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
