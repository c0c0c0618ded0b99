# METADATA
# scope: package
# title: Replicas
# description: |
#   A Deployment or StatefulSet that runs must have as many replicas as are required. None at all is a decision,
#   and allowed.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#replicas
# custom:
#   id: reliability/replicas
#   severity: low
#   action: warn
#   sets: [reliability]
#   kinds: [apps/Deployment, apps/StatefulSet]
#   parameters:
#     type: object
#     properties:
#       minimum:
#         type: "integer"
#         minimum: 1
#         default: 2
#         description: "The least number of replicas."
package govgate.rules.reliability.replicas

import rego.v1

import data.govgate.lib.request

# METADATA
# title: There are too few
findings contains finding if {
	replicas := stated(request.resource)
	replicas > 0
	replicas < input.parameters.minimum
	finding := {
		"message": sprintf("%d of the %d replicas that are required", [replicas, input.parameters.minimum]),
		"field": "spec.replicas",
		"remedy": sprintf("set spec.replicas to %d or more", [input.parameters.minimum]),
	}
}

# METADATA
# title: The number of replicas, 1 where none is stated
stated(resource) := resource.spec.replicas if is_number(resource.spec.replicas)

else := 1
