# METADATA
# scope: package
# title: Wildcards in roles
# description: A role must not grant all verbs, all resources, all API groups or all URLs.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/
# custom:
#   id: rbac/wildcards
#   severity: high
#   action: deny
#   sets: [rbac]
#   kinds: [rbac.authorization.k8s.io/ClusterRole, rbac.authorization.k8s.io/Role]
#   controls:
#     cis: "5.1.3"
#     nsa: "Authentication and authorization"
package govgate.rules.rbac.wildcards

import rego.v1

import data.govgate.lib.rbac

# METADATA
# title: A role grants everything of a kind
findings contains finding if {
	some i, granted in rbac.granted
	some list in ["verbs", "resources", "apiGroups", "nonResourceURLs"]
	"*" in granted[list]
	finding := {
		"message": sprintf("the role grants all %s", [list]),
		"field": sprintf("rules[%d].%s", [i, list]),
		"remedy": "list what is needed",
	}
}
