# METADATA
# scope: package
# title: Capabilities, restricted
# description: Every container must drop ALL capabilities, and may add NET_BIND_SERVICE only. Pods for Windows are exempt.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/capabilities-restricted
#   severity: medium
#   action: deny
#   sets: [pod-security-restricted]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Restricted: Capabilities"
#     cis: "5.2.8, 5.2.9, 5.2.10"
#     nsa: "Kubernetes Pod security"
package govgate.rules.pod_security.capabilities_restricted

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: A container keeps capabilities
findings contains finding if {
	not pod.windows
	some list in pod.lists
	some i, container in pod.spec[list]
	not drops_all(container)
	finding := {
		"message": sprintf("container %s does not drop all capabilities", [pod.name(i, container)]),
		"field": pod.item_field(list, i, container, "securityContext.capabilities.drop"),
		"remedy": "set securityContext.capabilities.drop to [ALL]",
		"fix": {"op": "set", "value": ["ALL"]},
	}
}

# METADATA
# title: A container adds a capability
findings contains finding if {
	not pod.windows
	some list in pod.lists
	some i, container in pod.spec[list]
	some j, capability in container.securityContext.capabilities.add
	capability != "NET_BIND_SERVICE"
	finding := {
		"message": sprintf("container %s adds the capability %v", [pod.name(i, container), capability]),
		"field": pod.item_field(list, i, container, sprintf("securityContext.capabilities.add[%d]", [j])),
		"remedy": "remove it from securityContext.capabilities.add",
		"fix": {"op": "remove"},
	}
}

# METADATA
# title: A container drops all capabilities
drops_all(container) if "ALL" in container.securityContext.capabilities.drop
