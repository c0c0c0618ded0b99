package govgate.rules.secrets.env_names_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.secrets.env_names as rule

cases := {
	"none": {"object": fixtures.pod_of({"env": [{"name": "LEVEL", "value": "debug"}, {"name": "TOKEN_TTL", "value": "1h"}]}), "fields": set()},
	"from a Secret": {"object": fixtures.pod_of({"env": [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db"}}}]}), "fields": set()},
	"from another variable": {"object": fixtures.pod_of({"env": [{"name": "DB_PASSWORD", "value": "$(PASSWORD_OF_DB)"}]}), "fields": set()},
	"empty": {"object": fixtures.pod_of({"env": [{"name": "DB_PASSWORD", "value": ""}, {"name": "TOKEN"}]}), "fields": set()},
	"a password": {
		"object": fixtures.deployment(fixtures.pod_of({"env": [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "LEVEL", "value": "debug"}]})),
		"fields": {"spec.template.spec.containers[name=app].env[name=DB_PASSWORD].value"},
	},
	"a key id": {
		"object": fixtures.pod_of({"env": [{"name": "LEVEL", "value": "debug"}, {"name": "AWS_ACCESS_KEY_ID", "value": concat("", ["AKIA", "IOSFODNN7EXAMPLE"])}]}),
		"fields": {"spec.containers[name=app].env[name=AWS_ACCESS_KEY_ID].value"},
	},
	"what the other rule denies": {
		"object": fixtures.pod_of({"env": [{"name": "TOKEN", "value": concat("", ["glpat", "-", "a1B2c3D4e5F6g7H8i9J0"])}]}),
		"fields": set(),
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
