package govgate.rules.pod_security.run_as_non_root_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.run_as_non_root as rule

cases := {
	"the pod's": {"object": fixtures.pod({"securityContext": {"runAsNonRoot": true}}), "fields": set()},
	"the container's": {"object": fixtures.pod_of({"securityContext": {"runAsNonRoot": true}}), "fields": set()},
	"the pod's, the container's null": {
		"object": fixtures.pod({
			"securityContext": {"runAsNonRoot": true},
			"containers": [fixtures.container("app", fixtures.secure({"runAsNonRoot": null})), fixtures.container("b", {"securityContext": null})],
		}),
		"fields": set(),
	},
	"a user namespace": {"object": fixtures.pod({"hostUsers": false, "securityContext": {"runAsNonRoot": false}}), "fields": set()},
	"Windows is not exempt": {"object": fixtures.pod({"os": {"name": "windows"}}), "fields": {"spec.containers[name=app].securityContext.runAsNonRoot"}},
	"none": {"object": fixtures.pod({}), "fields": {"spec.containers[name=app].securityContext.runAsNonRoot"}},
	"null": {
		"object": fixtures.pod({"securityContext": {"runAsNonRoot": null}}),
		"fields": {"spec.containers[name=app].securityContext.runAsNonRoot"},
	},
	"a bad pod, a good container": {
		"object": fixtures.pod({
			"securityContext": {"runAsNonRoot": false},
			"containers": [fixtures.container("app", fixtures.secure({"runAsNonRoot": true}))],
		}),
		"fields": {"spec.securityContext.runAsNonRoot"},
	},
	"a good pod, bad containers": {
		"object": fixtures.deployment(fixtures.pod({
			"securityContext": {"runAsNonRoot": true},
			"initContainers": [fixtures.container("first", fixtures.secure({"runAsNonRoot": false}))],
			"ephemeralContainers": [fixtures.container("debug", fixtures.secure({"runAsNonRoot": false}))],
		})),
		"fields": {
			"spec.template.spec.initContainers[name=first].securityContext.runAsNonRoot",
			"spec.template.spec.ephemeralContainers[name=debug].securityContext.runAsNonRoot",
		},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}
