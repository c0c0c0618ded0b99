package govgate.rules.pod_security.capabilities_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.capabilities as rule

cases := {
	"none": {"object": fixtures.pod({}), "fields": set()},
	"empty": {"object": fixtures.pod_of({"securityContext": {"capabilities": {"add": []}}}), "fields": set()},
	"every allowed one": {
		"object": fixtures.pod_of({"securityContext": {"capabilities": {"add": [name | some name in rule.allowed]}}}),
		"fields": set(),
	},
	"a dropped one": {"object": fixtures.pod_of({"securityContext": {"capabilities": {"drop": ["SYS_ADMIN"]}}}), "fields": set()},
	"others": {
		"object": fixtures.pod_of({"securityContext": {"capabilities": {"add": ["CHOWN", "SYS_ADMIN", "NET_RAW"]}}}),
		"fields": {
			"spec.containers[name=app].securityContext.capabilities.add[1]",
			"spec.containers[name=app].securityContext.capabilities.add[2]",
		},
	},
	"with the prefix of the kernel's name, or in lower case": {
		"object": fixtures.pod_of({"securityContext": {"capabilities": {"add": ["CAP_CHOWN", "chown"]}}}),
		"fields": {
			"spec.containers[name=app].securityContext.capabilities.add[0]",
			"spec.containers[name=app].securityContext.capabilities.add[1]",
		},
	},
	"every list": {
		"object": fixtures.pod({
			"initContainers": [fixtures.container("first", fixtures.secure({"capabilities": {"add": ["ALL"]}}))],
			"ephemeralContainers": [fixtures.container("debug", fixtures.secure({"capabilities": {"add": ["SYS_PTRACE"]}}))],
		}),
		"fields": {
			"spec.initContainers[name=first].securityContext.capabilities.add[0]",
			"spec.ephemeralContainers[name=debug].securityContext.capabilities.add[0]",
		},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}

test_the_fix if {
	fixes := {finding.fix | some finding in rule.findings} with input as fixtures.created(fixtures.pod_of({"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}))
	fixes == {{"op": "remove"}}
}
