package govgate.rules.pod_security.privilege_escalation_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.privilege_escalation as rule

cases := {
	"false": {"object": fixtures.pod_of({"securityContext": {"allowPrivilegeEscalation": false}}), "fields": set()},
	"Windows": {"object": fixtures.pod({"os": {"name": "windows"}}), "fields": set()},
	"Linux": {
		"object": fixtures.pod({"os": {"name": "linux"}}),
		"fields": {"spec.containers[name=app].securityContext.allowPrivilegeEscalation"},
	},
	"none": {"object": fixtures.pod({}), "fields": {"spec.containers[name=app].securityContext.allowPrivilegeEscalation"}},
	"null": {
		"object": fixtures.pod_of({"securityContext": {"allowPrivilegeEscalation": null}}),
		"fields": {"spec.containers[name=app].securityContext.allowPrivilegeEscalation"},
	},
	"every list": {
		"object": fixtures.deployment(fixtures.pod({
			"initContainers": [fixtures.container("first", {})],
			"containers": [fixtures.container("app", fixtures.secure({"allowPrivilegeEscalation": true}))],
			"ephemeralContainers": [fixtures.container("debug", fixtures.secure({}))],
		})),
		"fields": {
			"spec.template.spec.initContainers[name=first].securityContext.allowPrivilegeEscalation",
			"spec.template.spec.containers[name=app].securityContext.allowPrivilegeEscalation",
			"spec.template.spec.ephemeralContainers[name=debug].securityContext.allowPrivilegeEscalation",
		},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}

test_the_fix if {
	fixes := {finding.fix | some finding in rule.findings} with input as fixtures.created(fixtures.pod_of({}))
	fixes == {{"op": "set", "value": false}}
}

test_no_fix_that_the_api_server_refuses[note] if {
	some note, context in {
		"privileged": {"privileged": true},
		"CAP_SYS_ADMIN": {"capabilities": {"add": ["CAP_SYS_ADMIN"]}},
	}
	found := rule.findings with input as fixtures.created(fixtures.pod_of({"securityContext": context}))
	count(found) == 1
	every finding in found {
		not finding.fix
	}
}
