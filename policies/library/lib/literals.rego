# METADATA
# scope: package
# title: What a Pod is told in plain text
# description: |
#   All of it at once, so that a rule can look for what is rare in one go before it looks at each container. There is
#   none where a workload made the object: what the workload states was judged when it came, and Pods of those that
#   were there before the rule must still be able to start anew.
package govgate.lib.literals

import rego.v1

import data.govgate.lib.pod

# METADATA
# title: The specification that somebody wrote
spec := pod.spec if not made

# METADATA
# title: A workload's controller made the object, from a template
made if {
	some owner in input.review.object.metadata.ownerReferences
	owner.controller == true
	owner.kind in workloads
}

# METADATA
# title: What makes Pods, ReplicaSets and Jobs
workloads := {"CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"}

# METADATA
# title: The variables whose values are written beside them
variables := [variable |
	some list in pod.lists
	some container in spec[list]
	some variable in container.env
	is_string(variable.value)
]

# METADATA
# title: Their names
names := [variable.name | some variable in variables]

# METADATA
# title: Their names and values, and all commands and arguments
text := concat("\n", array.concat(names, array.concat(
	[variable.value | some variable in variables],
	[word |
		some list in pod.lists
		some container in spec[list]
		some part in ["command", "args"]
		some word in container[part]
		is_string(word)
	],
)))
