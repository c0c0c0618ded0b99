package govgate.lib.image_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.lib.image

names := {
	"nginx": "docker.io/library/nginx",
	"nginx:1.27": "docker.io/library/nginx",
	"nginx@sha256:0": "docker.io/library/nginx",
	"my.app:1": "docker.io/library/my.app",
	"grafana/grafana:11": "docker.io/grafana/grafana",
	"registry.example/team/app:1": "registry.example/team/app",
	"registry.example:5000/app": "registry.example:5000/app",
	"registry.example:5000/app:1@sha256:0": "registry.example:5000/app",
	"localhost/app": "localhost/app",
	"registry:5000/app:1": "registry:5000/app",
	"Registry/app": "Registry/app",
}

test_names[reference] if {
	some reference, name in names
	image.name(reference) == name
}

tags := {
	"nginx": "latest",
	"nginx:latest": "latest",
	"nginx:1.27": "1.27",
	"registry.example:5000/app": "latest",
	"registry.example:5000/app:2": "2",
}

test_tags[reference] if {
	some reference, tag in tags
	image.tag(reference) == tag
}

test_a_digest_needs_no_tag if not image.tag("nginx@sha256:0")

test_pinned if image.pinned(sprintf("registry.example/app:1@sha256:%s", [substring(sprintf("%064d", [7]), 0, 64)]))

test_not_pinned[reference] if {
	some reference in ["nginx", "nginx:1", "nginx@sha256:0", "nginx@md5:0", "nginx@sha256", "@", ""]
	not image.pinned(reference)
}

test_references_of_containers_and_volumes if {
	object := fixtures.deployment(fixtures.pod({
		"initContainers": [{"name": "first", "image": "a"}, {"name": "empty", "image": ""}, {"name": "none"}],
		"containers": [{"name": "app", "image": "b"}],
		"ephemeralContainers": [{"name": "debug", "image": "c"}],
		"volumes": [{"name": "data", "image": {"reference": "d"}}, {"name": "tmp", "emptyDir": {}}, {"name": "empty", "image": {"reference": ""}}],
	}))
	found := [{"reference": found.reference, "field": image.field(found)} | some found in image.references] with input as fixtures.created(object)
	found == [
		{"reference": "a", "field": "spec.template.spec.initContainers[name=first].image"},
		{"reference": "b", "field": "spec.template.spec.containers[name=app].image"},
		{"reference": "c", "field": "spec.template.spec.ephemeralContainers[name=debug].image"},
		{"reference": "d", "field": "spec.template.spec.volumes[name=data].image.reference"},
	]
}
