package programs.documents

import rego.v1

gets := [
	object.get(input, "absent", 1), object.get(input, ["review", "object", "kind"], "none"), object.keys({"a": 1, "b": 2}),
	object.remove({"a": 1, "b": 2}, ["a"]), object.filter({"a": 1, "b": 2}, {"a"}), object.subset({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}),
	object.union({"a": {"b": 1}}, {"a": {"c": 2}}), object.union_n([{"a": 1}, {"a": 2}, {"b": 3}]),
]

patched := json.patch({"a": [1, 2], "b": {"c": 1}}, [
	{"op": "add", "path": "/a/-", "value": 3}, {"op": "remove", "path": "/b/c"},
	{"op": "replace", "path": "a/0", "value": {"x": 1}}, {"op": "move", "from": "/a/1", "path": "/d"},
])

unpatchable := json.patch({}, [{"op": "remove", "path": "/a"}])

filtered := [json.filter({"a": {"b": 1, "c": 2}, "d": 3}, ["a/b"]), json.remove({"a": {"b": 1, "c": 2}}, ["a/b"])]

walked contains path if {
	[path, value] := walk(data.catalogue["odd keys"])
	is_number(value)
}

leaves := {concat(".", [sprintf("%v", [step]) | some step in path]) |
	walk(input, [path, value])
	is_string(value)
}

types := {type_name(value) | some value in [null, true, 1, "a", [], {}, set()]}

reached := graph.reachable(data.catalogue.graph, {"e"})

paths := graph.reachable_paths(data.catalogue.graph, {"b", "c"})

schema := json.match_schema(input, {"type": "object", "required": ["review"]})

schema_verified := json.verify_schema({"type": "nothing"})

validated if {
	[matches, _] := json.match_schema({"a": 1}, {"properties": {"a": {"type": "integer"}}})
	matches
}

all_of_it := data.catalogue

whole_input := input

numbered := {n: true | some n in [1, 2.5, "3"]}

from_older := data.programs.older.label({"name": "x"})

older_names := data.programs.older.names

graphql_valid := graphql.is_valid("{ a }", "type Query { a: Int }")
