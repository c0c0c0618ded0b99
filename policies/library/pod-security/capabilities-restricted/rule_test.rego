package govgate.rules.pod_security.capabilities_restricted_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.capabilities_restricted as rule

cases := {
	"all dropped": {"object": fixtures.pod_of({"securityContext": {"capabilities": {"drop": ["NET_RAW", "ALL"]}}}), "fields": set()},
	"the one that may be added": {
		"object": fixtures.pod_of({"securityContext": {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}}),
		"fields": set(),
	},
	"Windows": {
		"object": fixtures.pod({"os": {"name": "windows"}, "containers": [fixtures.container("app", fixtures.secure({"capabilities": {"add": ["KILL"]}}))]}),
		"fields": set(),
	},
	"none": {"object": fixtures.pod({}), "fields": {"spec.containers[name=app].securityContext.capabilities.drop"}},
	"null": {
		"object": fixtures.pod_of({"securityContext": {"capabilities": {"drop": null}}}),
		"fields": {"spec.containers[name=app].securityContext.capabilities.drop"},
	},
	"in lower case": {
		"object": fixtures.pod_of({"securityContext": {"capabilities": {"drop": ["all"]}}}),
		"fields": {"spec.containers[name=app].securityContext.capabilities.drop"},
	},
	"another is added": {
		"object": fixtures.pod_of({"securityContext": {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "CHOWN"]}}}),
		"fields": {"spec.containers[name=app].securityContext.capabilities.add[1]"},
	},
	"every list": {
		"object": fixtures.deployment(fixtures.pod({
			"initContainers": [fixtures.container("first", fixtures.secure({"capabilities": {"drop": ["ALL"], "add": ["KILL"]}}))],
			"containers": [fixtures.container("app", fixtures.secure({"capabilities": {"drop": ["KILL"]}}))],
			"ephemeralContainers": [fixtures.container("debug", {"securityContext": {}})],
		})),
		"fields": {
			"spec.template.spec.initContainers[name=first].securityContext.capabilities.add[0]",
			"spec.template.spec.containers[name=app].securityContext.capabilities.drop",
			"spec.template.spec.ephemeralContainers[name=debug].securityContext.capabilities.drop",
		},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}

test_the_fixes if {
	fixes := {finding.field: finding.fix | some finding in rule.findings} with input as fixtures.created(fixtures.pod_of({"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}))
	fixes == {
		"spec.containers[name=app].securityContext.capabilities.add[0]": {"op": "remove"},
		"spec.containers[name=app].securityContext.capabilities.drop": {"op": "set", "value": ["ALL"]},
	}
}
