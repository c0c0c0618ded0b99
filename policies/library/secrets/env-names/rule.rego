# METADATA
# scope: package
# title: Secret variables
# description: |
#   A variable that is a password, a token or a key by its name should not have its value written beside it, and
#   no variable should hold an AWS access key id.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/configuration/secret/
# custom:
#   id: secrets/env-names
#   severity: medium
#   action: warn
#   sets: [secrets]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
package govgate.rules.secrets.env_names

import rego.v1

import data.govgate.lib.credentials
import data.govgate.lib.literals
import data.govgate.lib.pod

# METADATA
# title: A variable is a credential by its name
findings contains finding if {
	credentials.may_tell(literals.names)
	some list in pod.lists
	some i, container in pod.spec[list]
	some j, variable in container.env
	credentials.telling(variable.name)
	not credentials.harmless(variable.value)
	count(credentials.in_setting(variable.name, variable.value)) == 0
	finding := found("looks like a credential by its name", list, i, container, j, variable)
}

# METADATA
# title: A variable holds an AWS access key id
findings contains finding if {
	credentials.key_marked(literals.text)
	some list in pod.lists
	some i, container in pod.spec[list]
	some j, variable in container.env
	credentials.key_id(variable.value)
	finding := found("holds an AWS access key id, whose secret may not be far", list, i, container, j, variable)
}

# METADATA
# title: The finding
found(what, list, i, container, j, variable) := {
	"message": sprintf("the variable %s %s", [variable.name, what]),
	"field": pod.item_field(list, i, container, sprintf("env%s.value", [pod.key(j, variable)])),
	"remedy": "if it is one, keep it in a Secret and refer to it by valueFrom.secretKeyRef",
}
