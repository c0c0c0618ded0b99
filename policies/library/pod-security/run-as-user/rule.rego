# METADATA
# scope: package
# title: Running as user 0
# description: No container may be told to run as user 0, unless the Pod has a user namespace of its own.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/run-as-user
#   severity: medium
#   action: deny
#   sets: [pod-security-restricted]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Restricted: Running as Non-root user"
#     cis: "5.2.7"
#     nsa: "Kubernetes Pod security: non-root containers"
package govgate.rules.pod_security.run_as_user

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: The Pod runs as root
findings contains finding if {
	not pod.user_namespace
	pod.spec.securityContext.runAsUser == 0
	finding := {
		"message": "the pod runs as root",
		"field": pod.field("securityContext.runAsUser"),
		"remedy": "set another user, or none",
	}
}

# METADATA
# title: A container runs as root
findings contains finding if {
	not pod.user_namespace
	some list in pod.lists
	some i, container in pod.spec[list]
	container.securityContext.runAsUser == 0
	finding := {
		"message": sprintf("container %s runs as root", [pod.name(i, container)]),
		"field": pod.item_field(list, i, container, "securityContext.runAsUser"),
		"remedy": "set another user, or none",
	}
}
