# METADATA
# scope: package
# title: Tokens of service accounts
# description: A role must not grant the creation of tokens for service accounts.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/
# custom:
#   id: rbac/service-account-tokens
#   severity: high
#   action: deny
#   sets: [rbac]
#   kinds: [rbac.authorization.k8s.io/ClusterRole, rbac.authorization.k8s.io/Role]
#   controls:
#     cis: "5.1.13"
#     nsa: "Authentication and authorization"
package govgate.rules.rbac.service_account_tokens

import rego.v1

import data.govgate.lib.rbac

# METADATA
# title: A role grants it
findings contains finding if {
	some i, granted in rbac.granted
	rbac.about(granted, "", {"serviceaccounts/token", "*/token", "*"})
	rbac.may(granted, {"create"})
	finding := {
		"message": "the role lets its holder act as any service account that it covers",
		"field": sprintf("rules[%d].resources", [i]),
		"remedy": "remove serviceaccounts/token",
	}
}
