# METADATA
# scope: package
# title: The Pod that an object is, or will become
# description: |
#   A Pod itself, or the pod template of a workload. `spec` is undefined where there is nothing to judge: another kind,
#   or an update that leaves the images and containers of a Pod, or the template of a workload, as they are. So an
#   object that broke a rule before the rule came can still be labelled, scaled and deleted.
package govgate.lib.pod

import rego.v1

# METADATA
# title: The lists of containers that the specification has
lists := [list | some list in _lists; spec[list]]

_lists := ["initContainers", "containers", "ephemeralContainers"]

# METADATA
# title: Where the Pod stands in an object of each kind, as a prefix of field paths
prefixes := {
	"CronJob": "spec.jobTemplate.spec.template.",
	"DaemonSet": "spec.template.",
	"Deployment": "spec.template.",
	"Job": "spec.template.",
	"Pod": "",
	"PodTemplate": "template.",
	"ReplicaSet": "spec.template.",
	"ReplicationController": "spec.template.",
	"StatefulSet": "spec.template.",
}

# METADATA
# title: The prefix for the object at hand
prefix := prefixes[input.review.object.kind]

# METADATA
# title: The Pod, or the template it is made from
template := input.review.object if {
	input.review.object.kind == "Pod"
	judged
}

template := input.review.object.spec.template if {
	prefix == "spec.template."
	judged
}

template := input.review.object.spec.jobTemplate.spec.template if {
	input.review.object.kind == "CronJob"
	judged
}

template := input.review.object.template if {
	input.review.object.kind == "PodTemplate"
	judged
}

# METADATA
# title: The Pod's specification
spec := template.spec

# METADATA
# title: The Pod's annotations
annotations := template.metadata.annotations

# METADATA
# title: The pod is put into a user namespace of its own
user_namespace if spec.hostUsers == false

# METADATA
# title: The pod is for Windows nodes
windows if spec.os.name == "windows"

# METADATA
# title: The request can change what runs
default judged := true

judged := false if {
	input.review.operation == "UPDATE"
	_unchanged(input.review.object, input.review.oldObject)
}

_unchanged(new, old) if {
	new.kind == "Pod"
	_images(new) == _images(old)
}

_unchanged(new, old) if {
	path := split(trim_suffix(prefixes[new.kind], "."), ".")
	object.get(new, path, 1) == object.get(old, path, 2)
}

_images(pod) := [[list, object.get(container, "image", "")] |
	some list in _lists
	some container in pod.spec[list]
]

# METADATA
# title: What a message calls an item of a list
name(index, item) := sprintf("%q", [item.name]) if is_string(item.name)

else := sprintf("#%d", [index])

# METADATA
# title: The path of a field of the Pod's specification
field(path) := sprintf("%sspec.%s", [prefix, path])

# METADATA
# title: The path of a field of an item of a list in the Pod's specification
item_field(list, index, item, path) := sprintf("%sspec.%s%s.%s", [prefix, list, key(index, item), path])

# METADATA
# title: What tells an item of a list from others, in a path
key(index, item) := sprintf("[name=%s]", [item.name]) if is_string(item.name)

else := sprintf("[%d]", [index])
