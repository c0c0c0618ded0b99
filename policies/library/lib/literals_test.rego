package govgate.lib.literals_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.lib.literals

test_everything_in_plain_text if {
	object := fixtures.pod({
		"initContainers": [fixtures.container("first", {"command": ["sh", 7], "args": ["-c"]})],
		"containers": [fixtures.container("app", {"env": [
			{"name": "LEVEL", "value": "debug"},
			{"name": "PASSWORD", "valueFrom": {}},
			{"name": "WRONG", "value": 7},
		]})],
		"ephemeralContainers": [fixtures.container("debug", {"env": [{"name": "SHELL", "value": "bash"}]})],
	})
	literals.names == ["LEVEL", "SHELL"] with input as fixtures.created(object)
	literals.text == "LEVEL\nSHELL\ndebug\nbash\nsh\n-c" with input as fixtures.created(object)
}

test_nothing if literals.text == "" with input as fixtures.created({"kind": "Service"})
