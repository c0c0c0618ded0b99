# METADATA
# scope: package
# title: Host namespaces
# description: A Pod must not share the network, process or IPC namespace of its node.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/host-namespaces
#   severity: critical
#   action: deny
#   sets: [pod-security-baseline, pod-security-restricted]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Baseline: Host Namespaces"
#     cis: "5.2.3, 5.2.4, 5.2.5"
#     nsa: "Kubernetes Pod security"
package govgate.rules.pod_security.host_namespaces

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: A namespace of the node is shared
findings contains finding if {
	some name in ["hostNetwork", "hostPID", "hostIPC"]
	pod.spec[name] == true
	stated := {
		"message": sprintf("the pod shares a namespace of its node (%s)", [name]),
		"field": pod.field(name),
		"remedy": sprintf("remove %s", [name]),
	}
	finding := object.union(stated, fix(name))
}

# METADATA
# title: What puts it right
# description: Nothing for the network of HostProcess containers, which the API server does not take without it.
fix("hostNetwork") := {} if host_process

else := {"fix": {"op": "remove"}}

fix(name) := {"fix": {"op": "remove"}} if name in {"hostPID", "hostIPC"}

# METADATA
# title: The Pod has HostProcess containers
host_process if pod.spec.securityContext.windowsOptions.hostProcess == true

host_process if {
	some list in pod.lists
	some container in pod.spec[list]
	container.securityContext.windowsOptions.hostProcess == true
}
