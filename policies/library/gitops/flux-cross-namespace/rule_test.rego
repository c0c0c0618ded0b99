package govgate.rules.gitops.flux_cross_namespace_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.gitops.flux_cross_namespace as rule

cases := {
	"none": {"object": {"metadata": {"namespace": "shop"}, "spec": {"sourceRef": {"name": "shop"}}}, "fields": set()},
	"its own": {"object": {"metadata": {"namespace": "shop"}, "spec": {"sourceRef": {"namespace": "shop"}}}, "fields": set()},
	"another": {"object": {"metadata": {"namespace": "shop"}, "spec": {"sourceRef": {"namespace": "web"}}}, "fields": {"spec.sourceRef.namespace"}},
	"of a release": {
		"object": {"metadata": {"namespace": "shop"}, "spec": {"chart": {"spec": {"sourceRef": {"namespace": "web"}}}}},
		"fields": {"spec.chart.spec.sourceRef.namespace"},
	},
	"of a release's chart": {
		"object": {"metadata": {"namespace": "shop"}, "spec": {"chartRef": {"namespace": "web"}}},
		"fields": {"spec.chartRef.namespace"},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
