# METADATA
# scope: package
# title: Host ports
# description: A container must not take a port of its node. In a Pod on the host network every port is one.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/host-ports
#   severity: medium
#   action: deny
#   sets: [pod-security-baseline, pod-security-restricted, network]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Baseline: Host Ports"
#     cis: "5.2.13"
#     nsa: "Network separation and hardening"
package govgate.rules.pod_security.host_ports

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: A container takes a port of the node
findings contains finding if {
	some list in pod.lists
	some i, container in pod.spec[list]
	some j, port in container.ports
	number := host_port(list, port)
	not number in {0, null}
	finding := {
		"message": sprintf("container %s takes the port %v of its node", [pod.name(i, container), number]),
		"field": pod.item_field(list, i, container, sprintf("ports%s.hostPort", [pod.key(j, port)])),
		"remedy": "remove hostPort, and let a Service lead to the container",
	}
}

# METADATA
# title: The port of the node, as the API server will fill it in
host_port(list, port) := port.hostPort if not port.hostPort in {0, null}

else := port.containerPort if {
	pod.spec.hostNetwork == true
	list != "ephemeralContainers"
}
