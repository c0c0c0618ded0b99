package govgate.rules.network.load_balancer_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.network.load_balancer as rule

cases := {
	"another type": {"object": {"spec": {"type": "ClusterIP"}}, "fields": set()},
	"no type": {"object": {"spec": {}}, "fields": set()},
	"ranges": {"object": {"spec": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8"]}}, "fields": set()},
	"internal": {
		"object": {
			"metadata": {"annotations": {"networking.gke.io/load-balancer-type": "Internal"}},
			"spec": {"type": "LoadBalancer"},
		},
		"fields": set(),
	},
	"open": {"object": open, "fields": {"spec.loadBalancerSourceRanges"}},
	"no ranges": {
		"object": {"spec": {"type": "LoadBalancer", "loadBalancerSourceRanges": []}},
		"fields": {"spec.loadBalancerSourceRanges"},
	},
	"one is everything": {
		"object": {"spec": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8", "0.0.0.0/0"]}},
		"fields": {"spec.loadBalancerSourceRanges"},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}

open := {"spec": {"type": "LoadBalancer"}}

test_a_finalizer_can_be_removed if {
	old := object.union(open, {"metadata": {"finalizers": ["service.kubernetes.io/load-balancer-cleanup"]}})
	rule.findings == set() with input as fixtures.updated(old, open)
}

test_a_creation_is_judged_whatever_was_before if {
	created := {"review": {"operation": "CREATE", "object": open, "oldObject": open}}
	count(rule.findings) == 1 with input as created
}

test_the_mark_cannot_be_removed if {
	old := object.union(open, {"metadata": {"annotations": {"networking.gke.io/load-balancer-type": "Internal"}}})
	count(rule.findings) == 1 with input as fixtures.updated(old, open)
}
