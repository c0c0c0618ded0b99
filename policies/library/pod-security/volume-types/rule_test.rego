package govgate.rules.pod_security.volume_types_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.volume_types as rule

cases := {
	"none": {"object": fixtures.pod({"volumes": null}), "fields": set()},
	"every allowed one": {"object": fixtures.pod({"volumes": [{"name": type, type: {}} | some type in rule.allowed]}), "fields": set()},
	"no type: an emptyDir": {"object": fixtures.pod({"volumes": [{"name": "tmp"}, {"name": "null", "nfs": null}]}), "fields": set()},
	"others": {
		"object": fixtures.deployment(fixtures.pod({"volumes": [
			{"name": "logs", "hostPath": {}},
			{"nfs": {}, "emptyDir": null},
			{"name": "x", "notInventedYet": {}},
		]})),
		"fields": {
			"spec.template.spec.volumes[name=logs]",
			"spec.template.spec.volumes[1]",
			"spec.template.spec.volumes[name=x]",
		},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}
