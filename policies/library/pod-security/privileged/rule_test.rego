package govgate.rules.pod_security.privileged_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.privileged as rule

cases := {
	"none": {"object": fixtures.pod({}), "fields": set()},
	"false": {"object": fixtures.pod_of({"securityContext": {"privileged": false}}), "fields": set()},
	"null": {"object": fixtures.pod_of({"securityContext": {"privileged": null}}), "fields": set()},
	"no context": {"object": fixtures.pod_of({"securityContext": null}), "fields": set()},
	"a container": {
		"object": fixtures.pod_of({"securityContext": {"privileged": true}}),
		"fields": {"spec.containers[name=app].securityContext.privileged"},
	},
	"every list": {
		"object": fixtures.deployment(fixtures.pod({
			"initContainers": [fixtures.container("first", fixtures.secure({"privileged": true}))],
			"ephemeralContainers": [fixtures.container("debug", fixtures.secure({"privileged": true}))],
		})),
		"fields": {
			"spec.template.spec.initContainers[name=first].securityContext.privileged",
			"spec.template.spec.ephemeralContainers[name=debug].securityContext.privileged",
		},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}

test_the_fix if {
	fixes := {finding.fix | some finding in rule.findings} with input as fixtures.created(fixtures.pod_of({"securityContext": {"privileged": true}}))
	fixes == {{"op": "set", "value": false}}
}
