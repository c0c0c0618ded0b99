# METADATA
# scope: package
# title: What a role grants
package govgate.lib.rbac

import rego.v1

import data.govgate.lib.request

# METADATA
# title: The rules of a Role or ClusterRole
# description: |
#   Undefined for an aggregated ClusterRole: a controller fills in its rules from ClusterRoles that are judged
#   themselves, and must not be stopped.
granted := request.resource.rules if object.get(request.resource, "aggregationRule", null) == null

# METADATA
# title: A rule is about one of these resources of an API group
about(rule, group, resources) if {
	some named in rule.apiGroups
	named in {group, "*"}
	some resource in rule.resources
	resource in resources
}

# METADATA
# title: A rule grants one of these verbs
may(rule, verbs) if {
	some verb in rule.verbs
	verb in (verbs | {"*"})
}

# METADATA
# title: A rule is about objects that it names
named(rule) if count(rule.resourceNames) > 0
