# METADATA
# scope: package
# title: Verbs that escalate
# description: A role must not grant the verbs escalate, bind or impersonate.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/security/rbac-good-practices/
# custom:
#   id: rbac/escalation-verbs
#   severity: critical
#   action: deny
#   sets: [rbac]
#   kinds: [rbac.authorization.k8s.io/ClusterRole, rbac.authorization.k8s.io/Role]
#   controls:
#     cis: "5.1.8"
#     nsa: "Authentication and authorization"
package govgate.rules.rbac.escalation_verbs

import rego.v1

import data.govgate.lib.rbac

# METADATA
# title: A role grants such a verb
findings contains finding if {
	some i, granted in rbac.granted
	some j, verb in granted.verbs
	escalating(verb)
	finding := {
		"message": sprintf("the verb %s gives its holder more rights than the role says", [verb]),
		"field": sprintf("rules[%d].verbs[%d]", [i, j]),
		"remedy": "remove the verb",
	}
}

# METADATA
# title: Verbs that give rights of others; impersonation may be constrained by a suffix
escalating(verb) if verb in {"bind", "escalate"}

escalating(verb) if startswith(verb, "impersonate")
