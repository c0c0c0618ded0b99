# METADATA
# scope: package
# title: Volume types
# description: |
#   A Pod may use only volumes of the types configMap, csi, downwardAPI, emptyDir, ephemeral, image,
#   persistentVolumeClaim, projected and secret.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/volume-types
#   severity: medium
#   action: deny
#   sets: [pod-security-restricted]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Restricted: Volume Types"
#     nsa: "Kubernetes Pod security"
package govgate.rules.pod_security.volume_types

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: The types that may be used
allowed := {
	"configMap",
	"csi",
	"downwardAPI",
	"emptyDir",
	"ephemeral",
	"image",
	"persistentVolumeClaim",
	"projected",
	"secret",
}

# METADATA
# title: A volume is of another type
# description: |
#   A volume without any type is an emptyDir. A type that is not known is not allowed: what comes after this rule was
#   written has to be looked at first.
findings contains finding if {
	some i, volume in pod.spec.volumes
	not plain(volume)
	types := {type | some type, source in volume; type != "name"; source != null}
	count(types) > 0
	finding := {
		"message": sprintf("volume %s is of the type %s", [pod.name(i, volume), concat(", ", types)]),
		"field": trim_suffix(pod.item_field("volumes", i, volume, ""), "."),
		"remedy": "use a volume of another type, such as emptyDir or persistentVolumeClaim",
	}
}

# METADATA
# title: A volume of a type that may be used
plain(volume) if {
	some type, source in volume
	type in allowed
	source != null
}
