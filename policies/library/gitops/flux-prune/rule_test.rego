package govgate.rules.gitops.flux_prune_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.gitops.flux_prune as rule

cases := {
	"pruned": {"object": {"spec": {"prune": true}}, "fields": set()},
	"not": {"object": {"spec": {"prune": false}}, "fields": {"spec.prune"}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
