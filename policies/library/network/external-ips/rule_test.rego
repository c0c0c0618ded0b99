package govgate.rules.network.external_ips_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.network.external_ips as rule

cases := {
	"none": {"object": {"spec": {"externalIPs": null}}, "fields": set()},
	"empty": {"object": {"spec": {"externalIPs": []}}, "fields": set()},
	"two": {"object": {"spec": {"externalIPs": ["192.0.2.1", "192.0.2.2"]}}, "fields": {"spec.externalIPs[0]", "spec.externalIPs[1]"}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
