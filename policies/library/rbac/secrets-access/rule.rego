# METADATA
# scope: package
# title: Reading all Secrets
# description: A role should not grant reading Secrets that it does not name.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/
# custom:
#   id: rbac/secrets-access
#   severity: medium
#   action: warn
#   sets: [rbac]
#   kinds: [rbac.authorization.k8s.io/ClusterRole, rbac.authorization.k8s.io/Role]
#   controls:
#     cis: "5.1.2"
#     nsa: "Authentication and authorization"
package govgate.rules.rbac.secrets_access

import rego.v1

import data.govgate.lib.rbac

# METADATA
# title: A role grants it
findings contains finding if {
	some i, granted in rbac.granted
	rbac.about(granted, "", {"secrets", "*"})
	rbac.may(granted, {"get", "list", "watch"})
	not rbac.named(granted)
	finding := {
		"message": "the role lets its holder read every Secret that it covers",
		"field": sprintf("rules[%d].resources", [i]),
		"remedy": "name the Secrets in resourceNames, or remove secrets",
	}
}
