package govgate.rules.pod_security.se_linux_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.se_linux as rule

cases := {
	"none": {"object": fixtures.pod({"securityContext": {"seLinuxOptions": {}}}), "fields": set()},
	"null": {"object": fixtures.pod({"securityContext": {"seLinuxOptions": null}}), "fields": set()},
	"empty": {"object": fixtures.pod({"securityContext": {"seLinuxOptions": {"type": "", "user": "", "role": null}}}), "fields": set()},
	"a level": {"object": fixtures.pod({"securityContext": {"seLinuxOptions": {"level": "s0:c1,c2"}}}), "fields": set()},
	"the pod": {
		"object": fixtures.pod({"securityContext": {"seLinuxOptions": {"type": "spc_t", "user": "u", "role": "r"}}}),
		"fields": {
			"spec.securityContext.seLinuxOptions.type",
			"spec.securityContext.seLinuxOptions.user",
			"spec.securityContext.seLinuxOptions.role",
		},
	},
	"every list": {
		"object": fixtures.deployment(fixtures.pod({
			"initContainers": [fixtures.container("first", fixtures.secure({"seLinuxOptions": {"user": "u"}}))],
			"containers": [fixtures.container("app", fixtures.secure({"seLinuxOptions": {"type": "init_t"}}))],
			"ephemeralContainers": [fixtures.container("debug", fixtures.secure({"seLinuxOptions": {"role": "r"}}))],
		})),
		"fields": {
			"spec.template.spec.initContainers[name=first].securityContext.seLinuxOptions.user",
			"spec.template.spec.containers[name=app].securityContext.seLinuxOptions.type",
			"spec.template.spec.ephemeralContainers[name=debug].securityContext.seLinuxOptions.role",
		},
	},
}

test_allowed_types[type] if {
	some type in ["container_t", "container_init_t", "container_kvm_t", "container_engine_t"]
	object := fixtures.pod_of({"securityContext": {"seLinuxOptions": {"type": type}}})
	rule.findings == set() with input as fixtures.created(object)
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}
