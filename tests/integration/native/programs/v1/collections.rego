package programs.collections

import rego.v1

names contains container.name if some container in input.review.object.spec.containers

by_image[container.image] contains container.name if some container in input.review.object.spec.containers

ports := [port.containerPort |
	some container in input.review.object.spec.containers
	some port in container.ports
]

total := sum([n | some n in ports])

nested := {{1, 2}, {3}, set(), {{"x": {2, 1}}}}

mixed := {null, true, 1, "1", [1], {"a": 1}, {1}}

squares[n] := n * n if some n in numbers.range(1, 5)

keyed := {key: value | some key, value in data.catalogue.limits}

present contains key if some key, _ in input

union := names | {"extra"}

difference := {"app", "extra"} - names

intersection := names & {"app", "other"}

indexed := [[i, v] | some i, v in data.catalogue.registries]

slice := array.slice(ports, 1, 3)

reversed := array.reverse(ports)

counts := {"names": count(names), "object": count(input), "text": count("añb")}

member if "app" in names

pair_member if "cpu", 2 in data.catalogue.limits.web

everywhere if {
	every container in input.review.object.spec.containers {
		startswith(container.image, "registry.example.com/")
	}
}

dynamic contains value if {
	some section in ["flags", "limits"]
	value := data.catalogue[section][_]
}
