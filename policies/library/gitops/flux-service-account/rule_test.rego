package govgate.rules.gitops.flux_service_account_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.gitops.flux_service_account as rule

cases := {
	"named": {"object": {"metadata": {"namespace": "shop"}, "spec": {"serviceAccountName": "shop"}}, "parameters": trusted, "fields": set()},
	"another cluster": {"object": {"metadata": {"namespace": "shop"}, "spec": {"kubeConfig": {"secretRef": {"name": "a"}}}}, "parameters": trusted, "fields": set()},
	"trusted": {"object": {"metadata": {"namespace": "flux-system"}, "spec": {}}, "parameters": trusted, "fields": set()},
	"none": {"object": {"metadata": {"namespace": "shop"}, "spec": {}}, "parameters": trusted, "fields": {"spec.serviceAccountName"}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}

trusted := {"trustedNamespaces": ["flux-system"]}
