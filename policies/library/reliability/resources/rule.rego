# METADATA
# scope: package
# title: Requests and limits
# description: Containers must state the resources they need and the limits they stay in, themselves or for the whole Pod.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
# custom:
#   id: reliability/resources
#   severity: low
#   action: warn
#   sets: [reliability]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   parameters:
#     type: object
#     properties:
#       requests:
#         type: "array"
#         items: {"type": "string"}
#         default: ["cpu", "memory"]
#         description: "The resources to be requested."
#       limits:
#         type: "array"
#         items: {"type": "string"}
#         default: ["memory"]
#         description: "The resources to be limited."
package govgate.rules.reliability.resources

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: A container states no request
# description: The API server takes a limit for the request where only the limit is stated.
findings contains finding if {
	some resource in input.parameters.requests
	some list in ["initContainers", "containers"]
	some i, container in pod.spec[list]
	not stated(container, "requests", resource)
	not stated(container, "limits", resource)
	finding := missing(list, i, container, "requests", resource)
}

# METADATA
# title: A container states no limit
findings contains finding if {
	some resource in input.parameters.limits
	some list in ["initContainers", "containers"]
	some i, container in pod.spec[list]
	not stated(container, "limits", resource)
	finding := missing(list, i, container, "limits", resource)
}

# METADATA
# title: By the container, or for the whole Pod
stated(container, kind, resource) if object.get(container, ["resources", kind, resource], null) != null

stated(_, kind, resource) if object.get(pod.spec, ["resources", kind, resource], null) != null

# METADATA
# title: The finding
missing(list, i, container, kind, resource) := {
	"message": sprintf("container %s states no %s of %s", [pod.name(i, container), kind, resource]),
	"field": pod.item_field(list, i, container, sprintf("resources.%s.%s", [kind, resource])),
	"remedy": sprintf("set resources.%s.%s", [kind, resource]),
}
