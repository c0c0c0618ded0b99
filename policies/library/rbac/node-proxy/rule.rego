# METADATA
# scope: package
# title: The nodes' proxy
# description: A role must not grant the proxy subresource of nodes.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/
# custom:
#   id: rbac/node-proxy
#   severity: high
#   action: deny
#   sets: [rbac]
#   kinds: [rbac.authorization.k8s.io/ClusterRole, rbac.authorization.k8s.io/Role]
#   controls:
#     cis: "5.1.10"
#     nsa: "Authentication and authorization"
package govgate.rules.rbac.node_proxy

import rego.v1

import data.govgate.lib.rbac

# METADATA
# title: A role grants it
findings contains finding if {
	some i, granted in rbac.granted
	rbac.about(granted, "", {"nodes/proxy", "*/proxy", "*"})
	finding := {
		"message": "the role lets its holder run commands in every pod of a node, past admission and the audit log",
		"field": sprintf("rules[%d].resources", [i]),
		"remedy": "remove nodes/proxy, and grant nodes/metrics, nodes/stats or nodes/log instead",
	}
}
