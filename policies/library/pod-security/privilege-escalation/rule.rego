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
	finding := {
		"message": sprintf("container %s may gain more privileges than it starts with", [pod.name(i, container)]),
		"field": pod.item_field(list, i, container, "securityContext.allowPrivilegeEscalation"),
		"remedy": "set securityContext.allowPrivilegeEscalation to false",
	}
}
