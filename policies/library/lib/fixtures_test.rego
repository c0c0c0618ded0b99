# METADATA
# scope: package
# title: Objects and requests for the rules' tests
package govgate.lib.fixtures

import rego.v1

# METADATA
# title: The input that a rule has for the creation of an object, with parameters
input_with(object, parameters) := {
	"review": {"operation": "CREATE", "object": object},
	"parameters": parameters,
}

# METADATA
# title: The input that a rule has for the creation of an object
created(object) := input_with(object, {})

# METADATA
# title: The input that a rule has for a change of an object
updated(old, new) := {
	"review": {"operation": "UPDATE", "object": new, "oldObject": old},
	"parameters": {},
}

# METADATA
# title: A Pod of one container named app, with these fields in its specification
pod(fields) := {
	"apiVersion": "v1",
	"kind": "Pod",
	"metadata": {"name": "web", "namespace": "shop"},
	"spec": object.union({"containers": [{"name": "app", "image": "registry.example/app:1.2"}]}, fields),
}

# METADATA
# title: A Pod of one container named app, with these fields in the container
pod_of(fields) := pod({"containers": [container("app", fields)]})

# METADATA
# title: A container
container(name, fields) := object.union({"name": name, "image": "registry.example/app:1.2"}, fields)

# METADATA
# title: A container's security context
secure(fields) := {"securityContext": fields}

# METADATA
# title: A Deployment of these pods
deployment(template) := {
	"apiVersion": "apps/v1",
	"kind": "Deployment",
	"metadata": {"name": "web", "namespace": "shop"},
	"spec": {
		"selector": {"matchLabels": {"app": "web"}},
		"template": {
			"metadata": object.union({"labels": {"app": "web"}}, object.remove(template.metadata, ["name", "namespace"])),
			"spec": template.spec,
		},
	},
}
