package govgate.rules.gitops.argo_automated_sync_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.gitops.argo_automated_sync as rule

cases := {
	"by hand": {"object": {"kind": "Application", "spec": {}}, "fields": set()},
	"both": {"object": {"kind": "Application", "spec": {"syncPolicy": {"automated": {"prune": true, "selfHeal": true}}}}, "fields": set()},
	"switched off": {"object": {"kind": "Application", "spec": {"syncPolicy": {"automated": {"enabled": false}}}}, "fields": set()},
	"null": {"object": {"kind": "Application", "spec": {"syncPolicy": {"automated": null}}}, "fields": set()},
	"neither": {
		"object": {"kind": "Application", "spec": {"syncPolicy": {"automated": {"prune": false}}}},
		"fields": {"spec.syncPolicy.automated.prune", "spec.syncPolicy.automated.selfHeal"},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
