package programs.control

import rego.v1

default level := "unknown"

level := "privileged" if {
	some container in input.review.object.spec.containers
	container.securityContext.privileged
} else := "host" if {
	input.review.object.spec.hostNetwork
} else := "plain" if {
	input.review
}

default score(_) := -1

score(level) := 10 if level == "privileged"

score(level) := 5 if level == "host"

scored := score(level)

missing := score("nothing")

first(list) := list[0]

head := first(input.review.object.spec.containers).name

undefined_call := first([])

no_user if not input.review.userInfo.username

not_false if not data.catalogue.flags.legacy

not_null if data.catalogue.flags.none == null

only_null if data.catalogue.flags.none

a.b.c := 1 if input

a.b[key] := value if some key, value in {"d": 2, "e": 3}

deny[level] contains message if {
	some level in ["warn", "deny"]
	message := sprintf("%s: %v", [level, count(input)])
}

unified := [x, y] if [x, [y, "z"]] = [1, ["u", "z"]]

object_unified := x if {"a": x, "b": 2} = {"a": "found", "b": 2}

recursive_data := object.get(data.catalogue, ["odd keys", "c/d", 2, 1, "e"], "none")

odd := data.catalogue["odd keys"][""]

local := level_ if {
	level := "local"
	level_ := concat("/", [level, data.programs.control.level])
}

chain if {
	some i
	input.review.object.spec.containers[i].name == "app"
	not input.review.object.spec.containers[i].resources
}

template := $"level {level}, {count(input)} keys, {input.absent}"
