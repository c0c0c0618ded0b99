# METADATA
# scope: package
# title: Insecure sources
# description: A Flux source should not be fetched over plain HTTP, nor without checking the server's certificate.
# related_resources:
#   - ref: https://fluxcd.io/flux/components/source/gitrepositories/#url
# custom:
#   id: gitops/flux-insecure-source
#   severity: high
#   action: warn
#   sets: [gitops]
#   kinds: [source.toolkit.fluxcd.io/Bucket, source.toolkit.fluxcd.io/GitRepository, source.toolkit.fluxcd.io/HelmRepository, source.toolkit.fluxcd.io/OCIRepository]
package govgate.rules.gitops.flux_insecure_source

import rego.v1

import data.govgate.lib.request

# METADATA
# title: The URL is one of plain HTTP
findings contains finding if {
	startswith(request.resource.spec.url, "http://")
	finding := {
		"message": "the source is fetched over plain HTTP: whoever is on the way may replace it",
		"field": "spec.url",
		"remedy": "use https:// or ssh://",
	}
}

# METADATA
# title: Insecure connections are asked for
findings contains finding if {
	request.resource.spec.insecure == true
	finding := {
		"message": "the source may be fetched without TLS: whoever is on the way may replace it",
		"field": "spec.insecure",
		"remedy": "remove insecure",
	}
}
