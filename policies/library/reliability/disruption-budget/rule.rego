# METADATA
# scope: package
# title: Disruption budget
# description: A Deployment or StatefulSet with several replicas must have a PodDisruptionBudget that selects its Pods.
# related_resources:
#   - ref: https://kubernetes.io/docs/tasks/run-application/configure-pdb/
# custom:
#   id: reliability/disruption-budget
#   severity: low
#   action: warn
#   sets: [reliability]
#   kinds: [apps/Deployment, apps/StatefulSet]
#   inventory: [policy/v1/PodDisruptionBudget]
package govgate.rules.reliability.disruption_budget

import rego.v1

import data.govgate.lib.request
import data.govgate.lib.selector

# METADATA
# title: No budget selects the Pods
findings contains finding if {
	request.resource.spec.replicas > 1
	labels := object.get(request.resource, ["spec", "template", "metadata", "labels"], {})
	not budgeted(request.namespace, labels)
	finding := {
		"message": "no PodDisruptionBudget selects these pods: a drained node may stop all of them at once",
		"field": "spec.template.metadata.labels",
		"remedy": "add a PodDisruptionBudget that selects them",
	}
}

# METADATA
# title: A budget of the namespace selects Pods with these labels
budgeted(namespace, labels) if {
	some budget in data.inventory.namespace[namespace]["policy/v1"].PodDisruptionBudget
	selector.matches(budget.spec.selector, labels)
}
