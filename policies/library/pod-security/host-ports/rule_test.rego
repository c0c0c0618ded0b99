package govgate.rules.pod_security.host_ports_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.host_ports as rule

cases := {
	"none": {"object": fixtures.pod_of({"ports": [{"containerPort": 8080}]}), "fields": set()},
	"zero and null": {
		"object": fixtures.pod_of({"ports": [{"containerPort": 1, "hostPort": 0}, {"containerPort": 2, "hostPort": null}]}),
		"fields": set(),
	},
	"one": {
		"object": fixtures.pod_of({"ports": [{"containerPort": 8080}, {"name": "http", "containerPort": 80, "hostPort": 80}]}),
		"fields": {"spec.containers[name=app].ports[name=http].hostPort"},
	},
	"every list": {
		"object": fixtures.pod({
			"initContainers": [fixtures.container("first", {"ports": [{"containerPort": 1, "hostPort": 1}]})],
			"ephemeralContainers": [fixtures.container("debug", {"ports": [{"containerPort": 2, "hostPort": 2}]})],
		}),
		"fields": {
			"spec.initContainers[name=first].ports[0].hostPort",
			"spec.ephemeralContainers[name=debug].ports[0].hostPort",
		},
	},
	"the host network, before and after the API server fills in the port": {
		"object": fixtures.deployment(fixtures.pod({
			"hostNetwork": true,
			"containers": [fixtures.container("app", {"ports": [{"containerPort": 1}, {"containerPort": 2, "hostPort": 2}, {"containerPort": 3, "hostPort": 0}]})],
		})),
		"fields": {
			"spec.template.spec.containers[name=app].ports[0].hostPort",
			"spec.template.spec.containers[name=app].ports[1].hostPort",
			"spec.template.spec.containers[name=app].ports[2].hostPort",
		},
	},
	"the host network, without ports": {
		"object": fixtures.pod({
			"hostNetwork": true,
			"containers": [fixtures.container("app", {"ports": [{"containerPort": null}]})],
			"ephemeralContainers": [fixtures.container("debug", {"ports": [{"containerPort": 1}]})],
		}),
		"fields": set(),
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}
