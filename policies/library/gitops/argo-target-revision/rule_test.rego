package govgate.rules.gitops.argo_target_revision_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.gitops.argo_target_revision as rule

cases := {
	"a branch": {"object": {"kind": "Application", "spec": {"source": {"targetRevision": "main"}}}, "fields": set()},
	"templated": {"object": {"kind": "ApplicationSet", "spec": {"template": {"spec": {"source": {"targetRevision": "{{ .branch }}"}}}}}, "fields": set()},
	"HEAD": {"object": {"kind": "Application", "spec": {"source": {"targetRevision": "HEAD"}}}, "fields": {"spec.source.targetRevision"}},
	"none, and any": {
		"object": {"kind": "Application", "spec": {"sources": [{}, {"chart": "web", "targetRevision": "*"}]}},
		"fields": {"spec.sources[0].targetRevision", "spec.sources[1].targetRevision"},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
