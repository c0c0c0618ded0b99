# METADATA
# scope: package
# title: Rights of the default account
# description: Roles should not be bound to a namespace's service account default, which every Pod has that names none.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/
# custom:
#   id: rbac/default-service-account
#   severity: medium
#   action: warn
#   sets: [rbac]
#   kinds: [rbac.authorization.k8s.io/ClusterRoleBinding, rbac.authorization.k8s.io/RoleBinding]
#   controls:
#     cis: "5.1.5"
package govgate.rules.rbac.default_service_account

import rego.v1

import data.govgate.lib.request

# METADATA
# title: The default account gets a role
findings contains finding if {
	some i, subject in request.resource.subjects
	subject.kind == "ServiceAccount"
	subject.name == "default"
	finding := {
		"message": "every pod of the namespace that names no service account gets the role",
		"field": sprintf("subjects[%d]", [i]),
		"remedy": "make a service account for the workload that needs the role",
	}
}
