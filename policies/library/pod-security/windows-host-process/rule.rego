# METADATA
# scope: package
# title: Windows HostProcess containers
# description: A Pod must not run Windows HostProcess containers.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/windows-host-process
#   severity: critical
#   action: deny
#   sets: [pod-security-baseline, pod-security-restricted]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Baseline: HostProcess"
#     cis: "5.2.11"
#     nsa: "Kubernetes Pod security"
package govgate.rules.pod_security.windows_host_process

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: The Pod asks for it
findings contains finding if {
	pod.spec.securityContext.windowsOptions.hostProcess == true
	finding := {
		"message": "the pod's containers run as processes of the Windows node",
		"field": pod.field("securityContext.windowsOptions.hostProcess"),
		"remedy": "remove hostProcess",
	}
}

# METADATA
# title: A container asks for it
findings contains finding if {
	some list in pod.lists
	some i, container in pod.spec[list]
	container.securityContext.windowsOptions.hostProcess == true
	finding := {
		"message": sprintf("container %s runs as a process of the Windows node", [pod.name(i, container)]),
		"field": pod.item_field(list, i, container, "securityContext.windowsOptions.hostProcess"),
		"remedy": "remove hostProcess",
	}
}
