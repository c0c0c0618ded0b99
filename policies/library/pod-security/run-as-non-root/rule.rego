# METADATA
# scope: package
# title: Running as non-root
# description: |
#   Every container must be required to run as a user other than root, by itself or by its Pod, unless the Pod
#   has a user namespace of its own.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/run-as-non-root
#   severity: medium
#   action: deny
#   sets: [pod-security-restricted]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Restricted: Running as Non-root"
#     cis: "5.2.7"
#     nsa: "Kubernetes Pod security: non-root containers"
package govgate.rules.pod_security.run_as_non_root

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: The Pod allows root
findings contains finding if {
	not pod.user_namespace
	pod.spec.securityContext.runAsNonRoot == false
	finding := {
		"message": "the pod may run as root",
		"field": pod.field("securityContext.runAsNonRoot"),
		"remedy": remedy,
	}
}

# METADATA
# title: A container allows root
findings contains finding if {
	not pod.user_namespace
	some list in pod.lists
	some i, container in pod.spec[list]
	not required(container)
	finding := {
		"message": sprintf("container %s may run as root", [pod.name(i, container)]),
		"field": pod.item_field(list, i, container, "securityContext.runAsNonRoot"),
		"remedy": remedy,
	}
}

# METADATA
# title: What to do
remedy := "set securityContext.runAsNonRoot to true, in the container or for the whole pod"

# METADATA
# title: By the container, or by the Pod
required(container) if container.securityContext.runAsNonRoot == true

required(container) if {
	pod.spec.securityContext.runAsNonRoot == true
	object.get(container, ["securityContext", "runAsNonRoot"], null) == null
}
