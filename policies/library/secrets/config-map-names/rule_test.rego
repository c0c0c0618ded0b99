package govgate.rules.secrets.config_map_names_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.secrets.config_map_names as rule

cases := {
	"none": {"object": {"data": {}}, "fields": set()},
	"settings": {"object": {"data": {"log_level": "debug", "token_ttl": "1h", "password": ""}}, "fields": set()},
	"filled in elsewhere": {"object": {"data": {"password": "$(DB_PASSWORD)", "token": "/var/run/token"}}, "fields": set()},
	"a file": {"object": {"data": {"password": "a\nb"}}, "fields": set()},
	"a password": {"object": {"data": {"db-password": "hunter2"}}, "fields": {"data.db-password"}},
	"a key id": {"object": {"data": {"credentials.ini": concat("", ["id = AKIA", "IOSFODNN7EXAMPLE"])}}, "fields": {"data[\"credentials.ini\"]"}},
	"what the other rule denies": {"object": {"data": {"token": concat("", ["glpat", "-", "a1B2c3D4e5F6g7H8i9J0"])}}, "fields": set()},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}

test_what_was_there_before_can_stay if {
	old := {"data": {"db-password": "hunter2", "key": concat("", ["AKIA", "IOSFODNN7EXAMPLE"])}}
	rule.findings == set() with input as fixtures.updated(old, object.union(old, {"data": {"log_level": "info"}}))
}
