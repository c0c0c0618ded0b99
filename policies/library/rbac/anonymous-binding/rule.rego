# METADATA
# scope: package
# title: Rights for everybody
# description: No role may be bound to users who did not authenticate.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/
# custom:
#   id: rbac/anonymous-binding
#   severity: critical
#   action: deny
#   sets: [rbac]
#   kinds: [rbac.authorization.k8s.io/ClusterRoleBinding, rbac.authorization.k8s.io/RoleBinding]
#   controls:
#     nsa: "Authentication and authorization"
package govgate.rules.rbac.anonymous_binding

import rego.v1

import data.govgate.lib.request

# METADATA
# title: Everybody who can reach the API server has the role
findings contains finding if {
	some i, subject in request.resource.subjects
	subject.name in {"system:anonymous", "system:unauthenticated"}
	finding := {
		"message": "the binding gives the role to everybody who can reach the API server",
		"field": sprintf("subjects[%d]", [i]),
		"remedy": "bind the role to named users, groups or service accounts",
	}
}
