# METADATA
# scope: package
# title: Seccomp profile
# description: A Pod must not turn seccomp off.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/seccomp
#   severity: medium
#   action: deny
#   sets: [pod-security-baseline]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Baseline: Seccomp"
#     cis: "5.7.2"
#     nsa: "Kubernetes Pod security"
package govgate.rules.pod_security.seccomp

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: The Pod sets another profile
findings contains finding if {
	profile := pod.spec.securityContext.seccompProfile
	not allowed(profile)
	finding := {
		"message": "the pod turns seccomp off",
		"field": pod.field("securityContext.seccompProfile.type"),
		"remedy": "use the type RuntimeDefault or Localhost",
		"fix": {"op": "set", "value": "RuntimeDefault"},
	}
}

# METADATA
# title: A container sets another profile
findings contains finding if {
	some list in pod.lists
	some i, container in pod.spec[list]
	profile := container.securityContext.seccompProfile
	not allowed(profile)
	finding := {
		"message": sprintf("container %s turns seccomp off", [pod.name(i, container)]),
		"field": pod.item_field(list, i, container, "securityContext.seccompProfile.type"),
		"remedy": "use the type RuntimeDefault or Localhost",
		"fix": {"op": "set", "value": "RuntimeDefault"},
	}
}

# METADATA
# title: A profile that may be set
allowed(profile) if profile.type in {"RuntimeDefault", "Localhost"}

allowed(null)
