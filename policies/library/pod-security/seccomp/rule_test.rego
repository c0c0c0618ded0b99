package govgate.rules.pod_security.seccomp_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.seccomp as rule

cases := {
	"none": {"object": fixtures.pod({"securityContext": {}}), "fields": set()},
	"null": {"object": fixtures.pod({"securityContext": {"seccompProfile": null}}), "fields": set()},
	"RuntimeDefault": {"object": fixtures.pod({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}), "fields": set()},
	"Localhost": {"object": fixtures.pod_of({"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}}}), "fields": set()},
	"the pod": {
		"object": fixtures.pod({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
		"fields": {"spec.securityContext.seccompProfile.type"},
	},
	"no type": {"object": fixtures.pod({"securityContext": {"seccompProfile": {}}}), "fields": {"spec.securityContext.seccompProfile.type"}},
	"the annotation that nobody reads any more": {
		"object": object.union(fixtures.pod({}), {"metadata": {"annotations": {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}}}),
		"fields": set(),
	},
	"every list": {
		"object": fixtures.deployment(fixtures.pod({
			"initContainers": [fixtures.container("first", fixtures.secure({"seccompProfile": {"type": "Unconfined"}}))],
			"containers": [fixtures.container("app", fixtures.secure({"seccompProfile": {"type": "Unconfined"}}))],
			"ephemeralContainers": [fixtures.container("debug", fixtures.secure({"seccompProfile": {"type": "Unconfined"}}))],
		})),
		"fields": {
			"spec.template.spec.initContainers[name=first].securityContext.seccompProfile.type",
			"spec.template.spec.containers[name=app].securityContext.seccompProfile.type",
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
