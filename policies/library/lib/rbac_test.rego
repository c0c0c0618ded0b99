package govgate.lib.rbac_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.lib.rbac

rule := {"apiGroups": ["", "apps"], "resources": ["pods", "deployments"], "verbs": ["get", "list"], "resourceNames": ["web"]}

test_granted if rbac.granted == [rule] with input as fixtures.created({"rules": [rule]})

test_aggregated if not rbac.granted with input as fixtures.created({"rules": [rule], "aggregationRule": {}})

test_about if {
	rbac.about(rule, "", {"pods"})
	rbac.about(rule, "apps", {"deployments"})
	rbac.about({"apiGroups": ["*"], "resources": ["*"]}, "apps", {"deployments", "*"})
	not rbac.about(rule, "batch", {"pods"})
	not rbac.about(rule, "apps", {"secrets"})
}

test_may if {
	rbac.may(rule, {"list", "watch"})
	rbac.may({"verbs": ["*"]}, {"watch"})
	not rbac.may(rule, {"watch"})
}

test_named if {
	rbac.named(rule)
	not rbac.named({"resourceNames": []})
	not rbac.named({})
}
