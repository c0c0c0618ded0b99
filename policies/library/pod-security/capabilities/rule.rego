# METADATA
# scope: package
# title: Added capabilities
# description: A container must not add capabilities beyond those that container runtimes grant by default.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/capabilities
#   severity: high
#   action: deny
#   sets: [pod-security-baseline]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Baseline: Capabilities"
#     cis: "5.2.8, 5.2.9"
#     nsa: "Kubernetes Pod security"
package govgate.rules.pod_security.capabilities

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: The capabilities that may be added
allowed := {
	"AUDIT_WRITE",
	"CHOWN",
	"DAC_OVERRIDE",
	"FOWNER",
	"FSETID",
	"KILL",
	"MKNOD",
	"NET_BIND_SERVICE",
	"SETFCAP",
	"SETGID",
	"SETPCAP",
	"SETUID",
	"SYS_CHROOT",
}

# METADATA
# title: A container adds another capability
findings contains finding if {
	some list in pod.lists
	some i, container in pod.spec[list]
	some j, capability in container.securityContext.capabilities.add
	not capability in allowed
	finding := {
		"message": sprintf("container %s adds the capability %v", [pod.name(i, container), capability]),
		"field": pod.item_field(list, i, container, sprintf("securityContext.capabilities.add[%d]", [j])),
		"remedy": "remove it from securityContext.capabilities.add",
		"fix": {"op": "remove"},
	}
}
