package govgate.rules.pod_security.windows_host_process_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.windows_host_process as rule

cases := {
	"none": {"object": fixtures.pod({"securityContext": {"windowsOptions": {}}}), "fields": set()},
	"false": {"object": fixtures.pod_of({"securityContext": {"windowsOptions": {"hostProcess": false}}}), "fields": set()},
	"the pod": {
		"object": fixtures.pod({"securityContext": {"windowsOptions": {"hostProcess": true}}}),
		"fields": {"spec.securityContext.windowsOptions.hostProcess"},
	},
	"every list": {
		"object": fixtures.deployment(fixtures.pod({
			"initContainers": [fixtures.container("first", fixtures.secure({"windowsOptions": {"hostProcess": true}}))],
			"containers": [fixtures.container("app", fixtures.secure({"windowsOptions": {"hostProcess": true}}))],
			"ephemeralContainers": [fixtures.container("debug", fixtures.secure({"windowsOptions": {"hostProcess": true}}))],
		})),
		"fields": {
			"spec.template.spec.initContainers[name=first].securityContext.windowsOptions.hostProcess",
			"spec.template.spec.containers[name=app].securityContext.windowsOptions.hostProcess",
			"spec.template.spec.ephemeralContainers[name=debug].securityContext.windowsOptions.hostProcess",
		},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}
