# METADATA
# scope: package
# title: HostPath volumes
# description: A Pod must not mount a path of its node.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/host-path-volumes
#   severity: high
#   action: deny
#   sets: [pod-security-baseline]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Baseline: HostPath Volumes"
#     cis: "5.2.12"
#     nsa: "Kubernetes Pod security"
package govgate.rules.pod_security.host_path_volumes

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: A volume is a path of the node
findings contains finding if {
	some i, volume in pod.spec.volumes
	volume.hostPath != null
	finding := {
		"message": sprintf("volume %s is a path of the node", [pod.name(i, volume)]),
		"field": pod.item_field("volumes", i, volume, "hostPath"),
		"remedy": "use another kind of volume, such as emptyDir or persistentVolumeClaim",
	}
}
