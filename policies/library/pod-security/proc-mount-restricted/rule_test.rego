package govgate.rules.pod_security.proc_mount_restricted_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.proc_mount_restricted as rule

cases := {
	"none": {"object": fixtures.pod_of({"securityContext": {}}), "fields": set()},
	"null": {"object": fixtures.pod_of({"securityContext": {"procMount": null}}), "fields": set()},
	"Default": {"object": fixtures.pod_of({"securityContext": {"procMount": "Default"}}), "fields": set()},
	"Unmasked": {
		"object": fixtures.pod_of({"securityContext": {"procMount": "Unmasked"}}),
		"fields": {"spec.containers[name=app].securityContext.procMount"},
	},
	"Unmasked in a user namespace": {
		"object": fixtures.pod({"hostUsers": false, "containers": [fixtures.container("app", fixtures.secure({"procMount": "Unmasked"}))]}),
		"fields": {"spec.containers[name=app].securityContext.procMount"},
	},
	"empty": {
		"object": fixtures.pod_of({"securityContext": {"procMount": ""}}),
		"fields": {"spec.containers[name=app].securityContext.procMount"},
	},
	"every list": {
		"object": fixtures.deployment(fixtures.pod({
			"hostUsers": true,
			"initContainers": [fixtures.container("first", fixtures.secure({"procMount": "Unmasked"}))],
			"ephemeralContainers": [fixtures.container("debug", fixtures.secure({"procMount": "Unmasked"}))],
		})),
		"fields": {
			"spec.template.spec.initContainers[name=first].securityContext.procMount",
			"spec.template.spec.ephemeralContainers[name=debug].securityContext.procMount",
		},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}

test_the_fix if {
	fixes := {finding.fix | some finding in rule.findings} with input as fixtures.created(fixtures.pod_of({"securityContext": {"procMount": "Unmasked"}}))
	fixes == {{"op": "remove"}}
}
