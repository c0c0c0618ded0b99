package govgate.rules.reliability.disruption_budget_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.reliability.disruption_budget as rule

budget(namespace, app) := {"namespace": {namespace: {"policy/v1": {"PodDisruptionBudget": {"web": {"spec": {"selector": {"matchLabels": {"app": app}}}}}}}}}

web(replicas) := object.union(fixtures.deployment(fixtures.pod({})), {"spec": {"replicas": replicas}})

found(replicas, inventory) := fields if {
	fields := {finding.field | some finding in rule.findings} with input as fixtures.created(web(replicas))
		with data.inventory as inventory
}

test_a_budget_selects_the_pods if found(3, budget("shop", "web")) == set()

test_one_replica_needs_none if found(1, {}) == set()

test_none if found(2, {}) == {"spec.template.metadata.labels"}

test_of_other_pods if found(2, budget("shop", "api")) == {"spec.template.metadata.labels"}

test_in_another_namespace if found(2, budget("web", "web")) == {"spec.template.metadata.labels"}
