package programs.older

label(object) = text {
	text := sprintf("name=%v", [object.name])
}

names[name] {
	name := input.review.object.spec.containers[_].name
}

violation[{"msg": msg, "details": {"image": image}}] {
	container := input_containers[_]
	image := container.image
	not allowed(image)
	msg := sprintf("container <%v> has an image <%v> from elsewhere", [container.name, image])
}

input_containers[c] {
	c := input.review.object.spec.containers[_]
}

input_containers[c] {
	c := input.review.object.spec.initContainers[_]
}

allowed(image) {
	registry := data.catalogue.registries[_]
	startswith(image, concat("", [registry, "/"]))
}

default verdict = "allow"

verdict = "deny" {
	count(violation) > 0
}

removed_builtins = [
	all([true, false]), any([false, true]), re_match("^a", "abc"), cast_array({1}), set_diff({1, 2}, {2}), net.cidr_overlap("10.0.0.0/8", "10.1.1.1"),
]

by_name[name] = image {
	container := input_containers[_]
	name := container.name
	image := container.image
}

grouped[[kind, name]] {
	kind := input.review.object.kind
	names[name]
}

if = contains {
	contains := "words of version 1 are names here"
}

unbound {
	not missing
}

missing {
	input.missing[_]
}

numbers_in_older = [x | x = input.numbers[_]; x > 1]
