package govgate.rules.pod_security.run_as_user_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.run_as_user as rule

cases := {
	"none": {"object": fixtures.pod({}), "fields": set()},
	"null": {"object": fixtures.pod({"securityContext": {"runAsUser": null}}), "fields": set()},
	"another": {"object": fixtures.pod_of({"securityContext": {"runAsUser": 1000}}), "fields": set()},
	"the pod": {"object": fixtures.pod({"securityContext": {"runAsUser": 0}}), "fields": {"spec.securityContext.runAsUser"}},
	"a user namespace": {"object": fixtures.pod({"hostUsers": false, "securityContext": {"runAsUser": 0}}), "fields": set()},
	"a container in a user namespace": {
		"object": fixtures.pod({"hostUsers": false, "containers": [fixtures.container("app", fixtures.secure({"runAsUser": 0}))]}),
		"fields": set(),
	},
	"every list": {
		"object": fixtures.deployment(fixtures.pod({
			"initContainers": [fixtures.container("first", fixtures.secure({"runAsUser": 0}))],
			"containers": [fixtures.container("app", fixtures.secure({"runAsUser": 0}))],
			"ephemeralContainers": [fixtures.container("debug", fixtures.secure({"runAsUser": 0}))],
		})),
		"fields": {
			"spec.template.spec.initContainers[name=first].securityContext.runAsUser",
			"spec.template.spec.containers[name=app].securityContext.runAsUser",
			"spec.template.spec.ephemeralContainers[name=debug].securityContext.runAsUser",
		},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}
