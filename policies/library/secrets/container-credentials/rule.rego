# METADATA
# scope: package
# title: Credentials in containers
# description: |
#   A container's environment, command and arguments must not hold a private key, a cloud's secret key or a
#   token of a known form.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/configuration/secret/
# custom:
#   id: secrets/container-credentials
#   severity: critical
#   action: deny
#   sets: [secrets]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
package govgate.rules.secrets.container_credentials

import rego.v1

import data.govgate.lib.credentials
import data.govgate.lib.literals
import data.govgate.lib.pod

# METADATA
# title: A variable holds credentials
findings contains finding if {
	credentials.marked(literals.text)
	some list in pod.lists
	some i, container in pod.spec[list]
	some j, variable in container.env
	some kind in credentials.in_setting(variable.name, variable.value)
	finding := found(kind, pod.item_field(list, i, container, sprintf("env%s.value", [pod.key(j, variable)])))
}

# METADATA
# title: The command or an argument holds credentials
findings contains finding if {
	credentials.marked(literals.text)
	some list in pod.lists
	some i, container in pod.spec[list]
	some name in ["command", "args"]
	some j, argument in container[name]
	some kind in credentials.in_text(argument)
	finding := found(kind, pod.item_field(list, i, container, sprintf("%s[%d]", [name, j])))
}

# METADATA
# title: The finding
found(kind, field) := {
	"message": sprintf("the container is given %s in plain text", [kind]),
	"field": field,
	"remedy": "keep it in a Secret, refer to it by valueFrom.secretKeyRef, and change it: it has been read by whoever reads this",
}
