# METADATA
# scope: package
# title: Registries
# description: |
#   Images must come from the registries, or the parts of registries, that are listed. With an empty list the
#   rule says nothing.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/containers/images/
# custom:
#   id: supply-chain/image-registries
#   severity: high
#   action: deny
#   sets: [supply-chain]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
#   parameters:
#     type: object
#     properties:
#       registries:
#         type: "array"
#         items: {"type": "string"}
#         default: []
#         description: "Registries such as `registry.example`, or parts of one such as `ghcr.io/acme`; Docker Hub is `docker.io`."
package govgate.rules.supply_chain.image_registries

import rego.v1

import data.govgate.lib.image

# METADATA
# title: An image comes from elsewhere
findings contains finding if {
	count(input.parameters.registries) > 0
	some found in image.references
	name := image.name(found.reference)
	not listed(name)
	finding := {
		"message": sprintf("the image %s comes from a registry that is not listed", [name]),
		"field": image.field(found),
		"remedy": sprintf("use an image of %s", [concat(", ", input.parameters.registries)]),
	}
}

# METADATA
# title: The name is one of a registry's, or of a part of it
listed(name) if {
	some registry in input.parameters.registries
	startswith(name, concat("", [trim_suffix(registry, "/"), "/"]))
}

listed(name) if name in input.parameters.registries
