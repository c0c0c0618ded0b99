# METADATA
# scope: package
# title: The tag latest
# description: An image must not be named by the tag latest, which is also meant where no tag is written.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/containers/images/#image-names
# custom:
#   id: supply-chain/image-latest
#   severity: medium
#   action: deny
#   sets: [supply-chain]
#   kinds: [Pod, PodTemplate, ReplicationController, apps/DaemonSet, apps/Deployment, apps/ReplicaSet, apps/StatefulSet, batch/CronJob, batch/Job]
package govgate.rules.supply_chain.image_latest

import rego.v1

import data.govgate.lib.image

# METADATA
# title: An image is the latest
findings contains finding if {
	some found in image.references
	image.tag(found.reference) == "latest"
	finding := {
		"message": sprintf("the image %s is whatever is the latest when it is pulled", [found.reference]),
		"field": image.field(found),
		"remedy": "name a version, or better the digest",
	}
}
