# METADATA
# scope: package
# title: AppArmor profile
# description: |
#   A Pod must not turn off or replace the AppArmor profile of its runtime, neither by field nor by the
#   annotation that came before it.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/app-armor
#   severity: medium
#   action: deny
#   sets: [pod-security-baseline, pod-security-restricted]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Baseline: AppArmor"
#     nsa: "Kubernetes Pod security"
package govgate.rules.pod_security.app_armor

import rego.v1

import data.govgate.lib.path
import data.govgate.lib.pod

# METADATA
# title: The Pod sets another profile
findings contains finding if {
	profile := pod.spec.securityContext.appArmorProfile
	not profile_allowed(profile)
	finding := {
		"message": "the pod turns AppArmor off or replaces its profile",
		"field": pod.field("securityContext.appArmorProfile.type"),
		"remedy": "use the type RuntimeDefault or Localhost",
	}
}

# METADATA
# title: A container sets another profile
findings contains finding if {
	some list in pod.lists
	some i, container in pod.spec[list]
	profile := container.securityContext.appArmorProfile
	not profile_allowed(profile)
	finding := found(list, i, container)
}

# METADATA
# title: An annotation sets another profile for a container
# description: The API server turns the annotation into the field, so both have the field's path.
findings contains finding if {
	some name in annotated
	some list in pod.lists
	some i, container in pod.spec[list]
	container.name == name
	finding := found(list, i, container)
}

# METADATA
# title: An annotation is about no container
findings contains finding if {
	some name in annotated
	not name in names
	finding := {
		"message": "an annotation turns AppArmor off or replaces its profile",
		"field": path.member(concat("", [pod.prefix, "metadata.annotations"]), concat("", [annotation, name])),
		"remedy": "remove the annotation",
	}
}

# METADATA
# title: The prefix of annotations, before the container's name
annotation := "container.apparmor.security.beta.kubernetes.io/"

# METADATA
# title: The names of all containers
names contains container.name if {
	some list in pod.lists
	some container in pod.spec[list]
}

# METADATA
# title: The names of containers that an annotation sets another profile for
annotated contains trim_prefix(key, annotation) if {
	strings.any_prefix_match(object.keys(pod.annotations), annotation)
	some key, value in pod.annotations
	startswith(key, annotation)
	not annotation_allowed(value)
}

# METADATA
# title: The finding about a container
found(list, i, container) := {
	"message": sprintf("container %s turns AppArmor off or replaces its profile", [pod.name(i, container)]),
	"field": pod.item_field(list, i, container, "securityContext.appArmorProfile.type"),
	"remedy": "use the type RuntimeDefault or Localhost, and remove the annotation if there is one",
}

# METADATA
# title: What the field may say
profile_allowed(profile) if profile.type in {"RuntimeDefault", "Localhost"}

profile_allowed(null)

# METADATA
# title: What the annotation may say
annotation_allowed(value) if value in {"", "runtime/default", null}

annotation_allowed(value) if startswith(value, "localhost/")
