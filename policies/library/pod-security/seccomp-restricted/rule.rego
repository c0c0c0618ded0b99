# METADATA
# scope: package
# title: Seccomp profile, restricted
# description: Every container must have a seccomp profile, of its own or of its Pod. Pods for Windows are exempt.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/seccomp-restricted
#   severity: medium
#   action: deny
#   sets: [pod-security-restricted]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Restricted: Seccomp"
#     cis: "5.7.2"
#     nsa: "Kubernetes Pod security"
package govgate.rules.pod_security.seccomp_restricted

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: The Pod sets another profile
findings contains finding if {
	not pod.windows
	profile := pod.spec.securityContext.seccompProfile
	not allowed(profile)
	profile != null
	finding := {
		"message": "the pod turns seccomp off",
		"field": pod.field("securityContext.seccompProfile.type"),
		"remedy": remedy,
		"fix": {"op": "set", "value": "RuntimeDefault"},
	}
}

# METADATA
# title: A container sets another profile, or has none
findings contains finding if {
	not pod.windows
	some list in pod.lists
	some i, container in pod.spec[list]
	not confined(container)
	finding := {
		"message": sprintf("container %s runs without a seccomp profile", [pod.name(i, container)]),
		"field": pod.item_field(list, i, container, "securityContext.seccompProfile.type"),
		"remedy": remedy,
		"fix": {"op": "set", "value": "RuntimeDefault"},
	}
}

# METADATA
# title: What to do
remedy := "set securityContext.seccompProfile.type to RuntimeDefault or Localhost, in the container or for the whole pod"

# METADATA
# title: A profile that may be set
allowed(profile) if profile.type in {"RuntimeDefault", "Localhost"}

# METADATA
# title: By its own profile, or by the Pod's
confined(container) if allowed(container.securityContext.seccompProfile)

confined(container) if {
	allowed(pod.spec.securityContext.seccompProfile)
	object.get(container, ["securityContext", "seccompProfile"], null) == null
}
