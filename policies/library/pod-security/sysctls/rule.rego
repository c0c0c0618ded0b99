# METADATA
# scope: package
# title: Sysctls
# description: A Pod may set only sysctls that are namespaced and isolated from other Pods.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/
# custom:
#   id: pod-security/sysctls
#   severity: medium
#   action: deny
#   sets: [pod-security-baseline, pod-security-restricted]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   controls:
#     pss: "Baseline: Sysctls"
#     nsa: "Kubernetes Pod security"
package govgate.rules.pod_security.sysctls

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: The sysctls that may be set
allowed := {
	"kernel.shm_rmid_forced",
	"net.ipv4.ip_local_port_range",
	"net.ipv4.ip_local_reserved_ports",
	"net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ping_group_range",
	"net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_keepalive_intvl",
	"net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_keepalive_time",
	"net.ipv4.tcp_rmem",
	"net.ipv4.tcp_syncookies",
	"net.ipv4.tcp_wmem",
}

# METADATA
# title: Another sysctl is set
findings contains finding if {
	some i, sysctl in pod.spec.securityContext.sysctls
	not harmless(sysctl)
	finding := {
		"message": sprintf("the sysctl %s may affect the whole node", [pod.name(i, sysctl)]),
		"field": pod.item_field("securityContext.sysctls", i, sysctl, "name"),
		"remedy": "remove it",
	}
}

# METADATA
# title: A sysctl that may be set
harmless(sysctl) if sysctl.name in allowed
