# METADATA
# scope: package
# title: Hosts of probes and lifecycle hooks
# description: |
#   Probes and lifecycle hooks must not name a host: kubelet would send requests there.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/host-probes
#   severity: medium
#   action: deny
#   sets: [pod-security-baseline, pod-security-restricted]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Baseline: Host Probes / Lifecycle Hooks"
#     nsa: "Kubernetes Pod security"
package govgate.rules.pod_security.host_probes

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: A probe names a host
findings contains finding if {
	some list in pod.lists
	some i, container in pod.spec[list]
	some probe in ["livenessProbe", "readinessProbe", "startupProbe"]
	some kind in ["httpGet", "tcpSocket"]
	not container[probe][kind].host in {"", null}
	finding := found(list, i, container, sprintf("%s.%s.host", [probe, kind]))
}

# METADATA
# title: A lifecycle hook names a host
findings contains finding if {
	some list in pod.lists
	some i, container in pod.spec[list]
	some hook in ["postStart", "preStop"]
	some kind in ["httpGet", "tcpSocket"]
	not container.lifecycle[hook][kind].host in {"", null}
	finding := found(list, i, container, sprintf("lifecycle.%s.%s.host", [hook, kind]))
}

# METADATA
# title: The finding
found(list, i, container, path) := {
	"message": sprintf("container %s lets kubelet send requests to another host", [pod.name(i, container)]),
	"field": pod.item_field(list, i, container, path),
	"remedy": "remove host: the request then goes to the pod itself",
	"fix": {"op": "remove"},
}
