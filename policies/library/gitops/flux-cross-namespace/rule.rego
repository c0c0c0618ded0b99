# METADATA
# scope: package
# title: Sources of other namespaces
# description: A Kustomization or HelmRelease should take its source from its own namespace.
# related_resources:
#   - ref: https://fluxcd.io/flux/installation/configuration/multitenancy/
# custom:
#   id: gitops/flux-cross-namespace
#   severity: medium
#   action: warn
#   sets: [gitops]
#   kinds: [kustomize.toolkit.fluxcd.io/Kustomization, helm.toolkit.fluxcd.io/HelmRelease]
package govgate.rules.gitops.flux_cross_namespace

import rego.v1

import data.govgate.lib.request

# METADATA
# title: The source is in another namespace
findings contains finding if {
	some path in ["sourceRef", "chartRef", "chart/spec/sourceRef"]
	named := object.get(request.resource.spec, array.concat(split(path, "/"), ["namespace"]), "")
	not named in {"", null, request.namespace}
	finding := {
		"message": sprintf("the source is in the namespace %v", [named]),
		"field": sprintf("spec.%s.namespace", [replace(path, "/", ".")]),
		"remedy": "define the source in this namespace, and run Flux's controllers with --no-cross-namespace-refs",
	}
}
