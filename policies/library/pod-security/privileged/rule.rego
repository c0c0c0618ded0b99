# METADATA
# scope: package
# title: Privileged containers
# description: A container must not run privileged.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/privileged
#   severity: critical
#   action: deny
#   sets: [pod-security-baseline, pod-security-restricted]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Baseline: Privileged Containers"
#     cis: "5.2.2"
#     nsa: "Kubernetes Pod security"
package govgate.rules.pod_security.privileged

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: A container is privileged
findings contains finding if {
	some list in pod.lists
	some i, container in pod.spec[list]
	container.securityContext.privileged == true
	finding := {
		"message": sprintf("container %s runs privileged", [pod.name(i, container)]),
		"field": pod.item_field(list, i, container, "securityContext.privileged"),
		"remedy": "remove securityContext.privileged, and add the one capability that is needed, if any",
		"fix": {"op": "set", "value": false},
	}
}
