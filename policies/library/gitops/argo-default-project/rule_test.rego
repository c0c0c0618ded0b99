package govgate.rules.gitops.argo_default_project_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.gitops.argo_default_project as rule

cases := {
	"another": {"object": {"kind": "Application", "spec": {"project": "shop"}}, "fields": set()},
	"default": {"object": {"kind": "Application", "spec": {"project": "default"}}, "fields": {"spec.project"}},
	"none": {"object": {"kind": "ApplicationSet", "spec": {"template": {"spec": {}}}}, "fields": {"spec.template.spec.project"}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
