package govgate.rules.pod_security.sysctls_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.sysctls as rule

cases := {
	"none": {"object": fixtures.pod({"securityContext": {"sysctls": []}}), "fields": set()},
	"every allowed one": {
		"object": fixtures.pod({"securityContext": {"sysctls": [{"name": name, "value": "1"} | some name in rule.allowed]}}),
		"fields": set(),
	},
	"others": {
		"object": fixtures.deployment(fixtures.pod({"securityContext": {"sysctls": [{"name": "kernel.msgmax"}, {"value": "1"}]}})),
		"fields": {
			"spec.template.spec.securityContext.sysctls[name=kernel.msgmax].name",
			"spec.template.spec.securityContext.sysctls[1].name",
		},
	},
	"written with a slash": {
		"object": fixtures.pod({"securityContext": {"sysctls": [{"name": "net/ipv4/tcp_syncookies", "value": "1"}]}}),
		"fields": {"spec.securityContext.sysctls[name=net/ipv4/tcp_syncookies].name"},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}
