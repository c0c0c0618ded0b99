# METADATA
# scope: package
# title: Pruning of Kustomizations
# description: A Kustomization should delete what is deleted in Git.
# related_resources:
#   - ref: https://fluxcd.io/flux/components/kustomize/kustomizations/#prune
# custom:
#   id: gitops/flux-prune
#   severity: low
#   action: warn
#   sets: [gitops]
#   kinds: [kustomize.toolkit.fluxcd.io/Kustomization]
package govgate.rules.gitops.flux_prune

import rego.v1

import data.govgate.lib.request

# METADATA
# title: Nothing is deleted
findings contains finding if {
	request.resource.spec.prune == false
	finding := {
		"message": "what is deleted in Git stays in the cluster",
		"field": "spec.prune",
		"remedy": "set prune to true",
	}
}
