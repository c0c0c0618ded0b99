package govgate.rules.pod_security.host_path_volumes_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.host_path_volumes as rule

cases := {
	"none": {"object": fixtures.pod({"volumes": []}), "fields": set()},
	"another": {"object": fixtures.pod({"volumes": [{"name": "tmp", "emptyDir": {}, "hostPath": null}]}), "fields": set()},
	"a path": {
		"object": fixtures.pod({"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "logs", "hostPath": {"path": "/var/log"}}]}),
		"fields": {"spec.volumes[name=logs].hostPath"},
	},
	"an empty one": {
		"object": fixtures.deployment(fixtures.pod({"volumes": [{"hostPath": {}}]})),
		"fields": {"spec.template.spec.volumes[0].hostPath"},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}
