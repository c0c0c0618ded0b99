# METADATA
# scope: package
# title: SELinux options
# description: A Pod must not choose an SELinux user or role, nor a type other than those of containers.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/se-linux
#   severity: medium
#   action: deny
#   sets: [pod-security-baseline, pod-security-restricted]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Baseline: SELinux"
#     nsa: "Kubernetes Pod security"
package govgate.rules.pod_security.se_linux

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: The types that may be set
types := {"container_t", "container_init_t", "container_kvm_t", "container_engine_t"}

# METADATA
# title: The Pod sets another option
findings contains finding if {
	options := pod.spec.securityContext.seLinuxOptions
	some name in forbidden(options)
	finding := {
		"message": sprintf("the pod sets a forbidden SELinux %s", [name]),
		"field": pod.field(concat(".", ["securityContext.seLinuxOptions", name])),
		"remedy": remedy,
	}
}

# METADATA
# title: A container sets another option
findings contains finding if {
	some list in pod.lists
	some i, container in pod.spec[list]
	options := container.securityContext.seLinuxOptions
	some name in forbidden(options)
	finding := {
		"message": sprintf("container %s sets a forbidden SELinux %s", [pod.name(i, container), name]),
		"field": pod.item_field(list, i, container, concat(".", ["securityContext.seLinuxOptions", name])),
		"remedy": remedy,
	}
}

# METADATA
# title: What to do
remedy := "remove it; the types container_t, container_init_t, container_kvm_t and container_engine_t may be set"

# METADATA
# title: The names of the options that are not allowed
forbidden(options) := {name |
	some name in ["type", "user", "role"]
	value := options[name]
	not allowed(name, value)
}

# METADATA
# title: An option may have this value
allowed("type", value) if value in types

allowed(_, value) if value in {"", null}
