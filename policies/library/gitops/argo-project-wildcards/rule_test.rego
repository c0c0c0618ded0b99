package govgate.rules.gitops.argo_project_wildcards_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.gitops.argo_project_wildcards as rule

cases := {
	"listed": {
		"object": {"spec": {
			"sourceRepos": ["https://git.example/*"],
			"destinations": [{"server": "https://kubernetes.default.svc", "namespace": "shop-*"}],
			"clusterResourceWhitelist": [{"group": "", "kind": "Namespace"}],
		}},
		"fields": set(),
	},
	"all": {
		"object": {"spec": {
			"sourceRepos": ["https://git.example/*", "*"],
			"destinations": [{"server": "*", "namespace": "*"}, {"name": "*", "namespace": "shop"}],
			"clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
		}},
		"fields": {
			"spec.sourceRepos[1]",
			"spec.destinations[0].server",
			"spec.destinations[0].namespace",
			"spec.destinations[1].name",
			"spec.clusterResourceWhitelist[0]",
		},
	},
	"all kinds of a group, and a kind of all groups": {
		"object": {"spec": {"clusterResourceWhitelist": [{"group": "", "kind": "*"}, {"group": "*", "kind": "Namespace"}]}},
		"fields": set(),
	},
	"a cluster by the other name": {
		"object": {"spec": {"destinations": [{"name": "*", "server": "https://a.example"}, {"name": "a", "server": "*"}]}},
		"fields": set(),
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
