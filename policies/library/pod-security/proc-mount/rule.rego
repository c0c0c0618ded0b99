# METADATA
# scope: package
# title: /proc mount
# description: A container must keep the default masks over /proc, unless its Pod has a user namespace of its own.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/proc-mount
#   severity: medium
#   action: deny
#   sets: [pod-security-baseline]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Baseline: /proc Mount Type"
#     nsa: "Kubernetes Pod security"
package govgate.rules.pod_security.proc_mount

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: A container unmasks /proc
findings contains finding if {
	not pod.user_namespace
	some list in pod.lists
	some i, container in pod.spec[list]
	not container.securityContext.procMount in {"Default", null}
	finding := {
		"message": sprintf("container %s mounts /proc without the usual masks", [pod.name(i, container)]),
		"field": pod.item_field(list, i, container, "securityContext.procMount"),
		"remedy": "remove procMount, or set it to Default",
		"fix": {"op": "remove"},
	}
}
