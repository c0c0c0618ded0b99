package govgate.rules.secrets.container_credentials_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.secrets.container_credentials as rule

cases := {
	"none": {"object": fixtures.pod_of({"env": null, "command": ["/app"], "args": ["--verbose"]}), "fields": set()},
	"from a Secret": {"object": fixtures.pod_of({"env": [{"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {}}]}), "fields": set()},
	"a variable": {
		"object": fixtures.deployment(fixtures.pod_of({"env": [{"name": "LEVEL", "value": "1"}, {"name": "AWS_SECRET_ACCESS_KEY", "value": aws}]})),
		"fields": {"spec.template.spec.containers[name=app].env[name=AWS_SECRET_ACCESS_KEY].value"},
	},
	"an argument": {
		"object": fixtures.pod({"initContainers": [fixtures.container("first", {"command": ["curl"], "args": ["-H", sprintf("PRIVATE-TOKEN: %s", [token])]})]}),
		"fields": {"spec.initContainers[name=first].args[1]"},
	},
	"the command": {
		"object": fixtures.pod({"ephemeralContainers": [fixtures.container("debug", {"command": [token]})]}),
		"fields": {"spec.ephemeralContainers[name=debug].command[0]"},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}

aws := concat("", ["a1B/" | some _ in numbers.range(1, 10)])

token := concat("", ["glpat", "-", "a1B2c3D4e5F6g7H8i9J0"])

test_the_value_is_not_told if {
	object := fixtures.pod_of({"env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": aws}], "args": [token]})
	findings := rule.findings with input as fixtures.created(object)
	count(findings) == 2
	not contains(json.marshal(findings), "a1B")
}
