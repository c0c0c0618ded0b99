# METADATA
# scope: package
# title: Cluster administrators
# description: Nobody may be bound to the ClusterRole cluster-admin for the whole cluster.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/
# custom:
#   id: rbac/cluster-admin-binding
#   severity: high
#   action: deny
#   sets: [rbac]
#   kinds: [rbac.authorization.k8s.io/ClusterRoleBinding]
#   controls:
#     cis: "5.1.1"
#     nsa: "Authentication and authorization"
package govgate.rules.rbac.cluster_admin_binding

import rego.v1

import data.govgate.lib.request

# METADATA
# title: Somebody becomes cluster administrator
findings contains finding if {
	request.resource.roleRef.name == "cluster-admin"
	finding := {
		"message": "the binding makes its subjects administrators of the whole cluster",
		"field": "roleRef.name",
		"remedy": "bind a role that grants what is needed",
	}
}
