# METADATA
# scope: package
# title: Credentials in URLs
# description: The URL of a source must not hold a password or a token.
# related_resources:
#   - ref: https://fluxcd.io/flux/components/source/gitrepositories/#secret-reference
#   - ref: https://argo-cd.readthedocs.io/en/stable/user-guide/private-repositories/
# custom:
#   id: gitops/credentials-in-url
#   severity: critical
#   action: deny
#   sets: [gitops]
#   kinds: [argoproj.io/AppProject, argoproj.io/Application, argoproj.io/ApplicationSet, source.toolkit.fluxcd.io/Bucket, source.toolkit.fluxcd.io/GitRepository, source.toolkit.fluxcd.io/HelmRepository, source.toolkit.fluxcd.io/OCIRepository]
package govgate.rules.gitops.credentials_in_url

import rego.v1

import data.govgate.lib.argo
import data.govgate.lib.credentials
import data.govgate.lib.request

# METADATA
# title: A URL holds credentials
findings contains finding if {
	some [field, url] in urls
	contains(url, "@")
	not filled_in(url)
	revealing(url)
	finding := {
		"message": "the URL holds credentials: everybody who may read the object has them, and so do logs",
		"field": field,
		"remedy": "take them out of the URL and change them; keep the new ones in a Secret that the source refers to",
	}
}

# METADATA
# title: Something else fills in a part of the URL, and what comes of it is judged then
filled_in(url) if contains(url, "{{")

filled_in(url) if contains(url, "${")

# METADATA
# title: A password after the user, or a user that is a token
revealing(url) if regex.match(`^[A-Za-z][A-Za-z0-9+.-]*://[^/@:\s]*:[^/@\s]+@`, url)

revealing(url) if {
	regex.match(`^[A-Za-z][A-Za-z0-9+.-]*://[^/@\s]+@`, url)
	count(credentials.in_text(split(url, "@")[0])) > 0
}

# METADATA
# title: The URLs, each with the path of its field
urls := array.concat(flux, array.concat(applications, projects))

# METADATA
# title: Of a source of Flux
flux := [[sprintf("spec.%s", [name]), request.resource.spec[name]] | some name in ["url", "endpoint"]]

# METADATA
# title: Of an Application
applications := [[concat(".", [found.field, "repoURL"]), found.source.repoURL] | some found in argo.sources]

# METADATA
# title: Of an AppProject
projects := [[sprintf("spec.sourceRepos[%d]", [i]), url] | some i, url in request.resource.spec.sourceRepos]
