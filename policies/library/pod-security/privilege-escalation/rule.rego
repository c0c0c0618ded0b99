# METADATA
# scope: package
# title: Privilege escalation
# description: Every container must set allowPrivilegeEscalation to false. Pods for Windows are exempt.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/privilege-escalation
#   severity: high
#   action: deny
#   sets: [pod-security-restricted]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Restricted: Privilege Escalation"
#     cis: "5.2.6"
#     nsa: "Kubernetes Pod security"
package govgate.rules.pod_security.privilege_escalation

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: A container may gain privileges
findings contains finding if {
	not pod.windows
	some list in pod.lists
	some i, container in pod.spec[list]
	not container.securityContext.allowPrivilegeEscalation == false
	stated := {
		"message": sprintf("container %s may gain more privileges than it starts with", [pod.name(i, container)]),
		"field": pod.item_field(list, i, container, "securityContext.allowPrivilegeEscalation"),
		"remedy": "set securityContext.allowPrivilegeEscalation to false",
	}
	finding := object.union(stated, fix(container))
}

# METADATA
# title: What puts it right
# description: Nothing, as long as the container is one that the API server refuses with it.
fix(container) := {} if gains(container)

else := {"fix": {"op": "set", "value": false}}

# METADATA
# title: The container has privileges that rule it out
gains(container) if container.securityContext.privileged == true

gains(container) if "CAP_SYS_ADMIN" in container.securityContext.capabilities.add
