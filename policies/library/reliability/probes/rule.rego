# METADATA
# scope: package
# title: Probes
# description: Containers of workloads that run on must have the probes that are required.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
# custom:
#   id: reliability/probes
#   severity: low
#   action: warn
#   sets: [reliability]
#   kinds: [apps/DaemonSet, apps/Deployment, apps/StatefulSet]
#   parameters:
#     type: object
#     properties:
#       required:
#         type: "array"
#         items: {"type": "string", "enum": ["livenessProbe", "readinessProbe", "startupProbe"]}
#         default: ["readinessProbe"]
#         description: "The probes that each container must have."
package govgate.rules.reliability.probes

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: A container lacks a probe
findings contains finding if {
	some probe in input.parameters.required
	some i, container in pod.spec.containers
	object.get(container, probe, null) == null
	finding := {
		"message": sprintf("container %s has no %s", [pod.name(i, container), probe]),
		"field": pod.item_field("containers", i, container, probe),
		"remedy": sprintf("add a %s", [probe]),
	}
}
