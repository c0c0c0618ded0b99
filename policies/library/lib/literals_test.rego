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

test_what_a_workload_made if {
	told := fixtures.pod_of({"env": [{"name": "LEVEL", "value": "debug"}]})
	every owners, text in {
		[{"kind": "ReplicaSet", "controller": true}]: "",
		[{"kind": "Node"}, {"kind": "Job", "controller": true}]: "",
		[{"kind": "ReplicaSet"}]: "LEVEL\ndebug",
		[{"kind": "Operator", "controller": true}]: "LEVEL\ndebug",
	} {
		object := json.patch(told, [{"op": "add", "path": "/metadata/ownerReferences", "value": owners}])
		literals.text == text with input as fixtures.created(object)
	}
}
