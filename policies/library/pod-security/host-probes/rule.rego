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
# title: A probe or hook names a host
findings contains finding if {
	some list in pod.lists
	some i, container in pod.spec[list]
	some [path, handler] in handlers(container)
	some kind in ["httpGet", "tcpSocket"]
	not handler[kind].host in {"", null}
	handler[kind].host
	finding := {
		"message": sprintf("container %s: kubelet would send requests of %s to another host", [pod.name(i, container), path]),
		"field": pod.item_field(list, i, container, sprintf("%s.%s.host", [path, kind])),
		"remedy": "remove host: the request then goes to the pod itself",
	}
}

# METADATA
# title: The handlers of a container that may send requests
handlers(container) := array.concat(
	[[name, container[name]] | some name in ["livenessProbe", "readinessProbe", "startupProbe"]; container[name]],
	[[concat(".", ["lifecycle", name]), container.lifecycle[name]] | some name in ["postStart", "preStop"]],
)
