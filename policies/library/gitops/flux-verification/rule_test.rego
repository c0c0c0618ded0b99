package govgate.rules.gitops.flux_verification_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.gitops.flux_verification as rule

cases := {
	"verified": {"object": {"spec": {"verify": {"provider": "cosign"}}}, "fields": set()},
	"not": {"object": {"spec": {"verify": null}}, "fields": {"spec.verify"}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
