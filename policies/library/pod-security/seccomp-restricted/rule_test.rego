package govgate.rules.pod_security.seccomp_restricted_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.seccomp_restricted as rule

cases := {
	"none": {"object": fixtures.pod({}), "fields": {"spec.containers[name=app].securityContext.seccompProfile.type"}},
	"null": {
		"object": fixtures.pod({"securityContext": {"seccompProfile": null}}),
		"fields": {"spec.containers[name=app].securityContext.seccompProfile.type"},
	},
	"the pod's": {"object": fixtures.pod({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}), "fields": set()},
	"the container's": {"object": fixtures.pod_of({"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}}}), "fields": set()},
	"the pod's, the container's null": {
		"object": fixtures.pod({
			"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
			"containers": [fixtures.container("app", fixtures.secure({"seccompProfile": null})), fixtures.container("b", {"securityContext": null})],
		}),
		"fields": set(),
	},
	"Windows": {
		"object": fixtures.pod({"os": {"name": "windows"}, "securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
		"fields": set(),
	},
	"a bad pod, a good container": {
		"object": fixtures.pod({
			"securityContext": {"seccompProfile": {"type": "Unconfined"}},
			"containers": [fixtures.container("app", fixtures.secure({"seccompProfile": {"type": "RuntimeDefault"}}))],
		}),
		"fields": {"spec.securityContext.seccompProfile.type"},
	},
	"a good pod, bad containers": {
		"object": fixtures.deployment(fixtures.pod({
			"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
			"initContainers": [fixtures.container("first", fixtures.secure({"seccompProfile": {"type": "Unconfined"}}))],
			"ephemeralContainers": [fixtures.container("debug", fixtures.secure({"seccompProfile": {}}))],
		})),
		"fields": {
			"spec.template.spec.initContainers[name=first].securityContext.seccompProfile.type",
			"spec.template.spec.ephemeralContainers[name=debug].securityContext.seccompProfile.type",
		},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}

test_the_fix if {
	fixes := {finding.fix | some finding in rule.findings} with input as fixtures.created(fixtures.pod({
		"securityContext": {"seccompProfile": {"type": "Unconfined"}},
		"initContainers": [fixtures.container("first", fixtures.secure({"seccompProfile": {"type": "Unconfined"}}))],
	}))
	fixes == {{"op": "set", "value": "RuntimeDefault"}}
}
