# METADATA
# scope: package
# title: Images by digest
# description: Every image, of containers and of volumes, must be named by its digest.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/containers/images/#image-pull-policy
# custom:
#   id: supply-chain/image-digest
#   severity: medium
#   action: deny
#   sets: [supply-chain]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
package govgate.rules.supply_chain.image_digest

import rego.v1

import data.govgate.lib.image

# METADATA
# title: An image is named by a tag
findings contains finding if {
	some found in image.references
	not image.pinned(found.reference)
	finding := {
		"message": sprintf("the image %s is not named by its digest", [found.reference]),
		"field": image.field(found),
		"remedy": "add @sha256:… to the reference",
	}
}
