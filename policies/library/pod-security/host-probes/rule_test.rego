package govgate.rules.pod_security.host_probes_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.host_probes as rule

cases := {
	"none": {"object": fixtures.pod_of({"livenessProbe": {"httpGet": {"port": 80}}}), "fields": set()},
	"empty and null": {
		"object": fixtures.pod_of({"livenessProbe": {"httpGet": {"host": ""}, "tcpSocket": {"host": null}}}),
		"fields": set(),
	},
	"another kind of probe": {"object": fixtures.pod_of({"livenessProbe": {"exec": {"command": ["true"]}, "grpc": {"port": 1}}}), "fields": set()},
	"every probe and hook": {
		"object": fixtures.pod_of({
			"livenessProbe": {"httpGet": {"host": "a"}},
			"readinessProbe": {"tcpSocket": {"host": "a"}},
			"startupProbe": {"httpGet": {"host": "127.0.0.1"}},
			"lifecycle": {"postStart": {"httpGet": {"host": "a"}}, "preStop": {"tcpSocket": {"host": "a"}}},
		}),
		"fields": {
			"spec.containers[name=app].livenessProbe.httpGet.host",
			"spec.containers[name=app].readinessProbe.tcpSocket.host",
			"spec.containers[name=app].startupProbe.httpGet.host",
			"spec.containers[name=app].lifecycle.postStart.httpGet.host",
			"spec.containers[name=app].lifecycle.preStop.tcpSocket.host",
		},
	},
	"every list": {
		"object": fixtures.pod({
			"initContainers": [fixtures.container("first", {"startupProbe": {"tcpSocket": {"host": "a"}}})],
			"ephemeralContainers": [fixtures.container("debug", {"lifecycle": {"preStop": {"httpGet": {"host": "a"}}}})],
		}),
		"fields": {
			"spec.initContainers[name=first].startupProbe.tcpSocket.host",
			"spec.ephemeralContainers[name=debug].lifecycle.preStop.httpGet.host",
		},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}

test_the_fix if {
	fixes := {finding.fix | some finding in rule.findings} with input as fixtures.created(fixtures.pod_of({"livenessProbe": {"httpGet": {"host": "example.com"}}, "lifecycle": {"preStop": {"httpGet": {"host": "example.com"}}}}))
	fixes == {{"op": "remove"}}
}
