# METADATA
# scope: package
# title: Verification of sources
# description: A GitRepository or OCIRepository should verify the signatures of what it fetches.
# related_resources:
#   - ref: https://fluxcd.io/flux/components/source/ocirepositories/#verification
# custom:
#   id: gitops/flux-verification
#   severity: low
#   action: audit
#   sets: [gitops]
#   kinds: [source.toolkit.fluxcd.io/GitRepository, source.toolkit.fluxcd.io/OCIRepository]
package govgate.rules.gitops.flux_verification

import rego.v1

import data.govgate.lib.request

# METADATA
# title: Signatures are not verified
findings contains finding if {
	object.get(request.resource.spec, "verify", null) == null
	finding := {
		"message": "signatures of the source are not verified",
		"field": "spec.verify",
		"remedy": "set spec.verify",
	}
}
