# METADATA
# scope: package
# title: Secrets in annotations
# description: A Secret should not carry its own data once more in the annotation that kubectl apply leaves.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/configuration/secret/
# custom:
#   id: secrets/last-applied
#   severity: medium
#   action: warn
#   sets: [secrets]
#   kinds: [Secret]
package govgate.rules.secrets.last_applied

import rego.v1

import data.govgate.lib.path

# METADATA
# title: The annotation of kubectl apply holds the Secret's data
findings contains finding if {
	applied := input.review.object.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]
	some name in ["data", "stringData"]
	contains(applied, sprintf("%q:{\"", [name]))
	finding := {
		"message": sprintf("an annotation holds the secret's %s once more, in plain sight of whoever reads metadata", [name]),
		"field": path.member("metadata.annotations", "kubectl.kubernetes.io/last-applied-configuration"),
		"remedy": "apply Secrets with kubectl apply --server-side, and remove the annotation",
		"fix": {"op": "remove"},
	}
}
