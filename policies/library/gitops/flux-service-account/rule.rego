# METADATA
# scope: package
# title: Flux's own rights
# description: A Kustomization or HelmRelease of a tenant should name the service account whose rights it has.
# related_resources:
#   - ref: https://fluxcd.io/flux/installation/configuration/multitenancy/
# custom:
#   id: gitops/flux-service-account
#   severity: medium
#   action: warn
#   sets: [gitops]
#   kinds: [kustomize.toolkit.fluxcd.io/Kustomization, helm.toolkit.fluxcd.io/HelmRelease]
#   parameters:
#     type: object
#     properties:
#       trustedNamespaces:
#         type: "array"
#         items: {"type": "string"}
#         default: ["flux-system"]
#         description: "Namespaces whose objects may be applied with Flux's own rights."
package govgate.rules.gitops.flux_service_account

import rego.v1

import data.govgate.lib.request

# METADATA
# title: No account is named
findings contains finding if {
	object.get(request.resource.spec, "serviceAccountName", "") in {"", null}
	object.get(request.resource.spec, "kubeConfig", null) == null
	not request.namespace in input.parameters.trustedNamespaces
	finding := {
		"message": "no service account is named: everything is applied with Flux's own rights, usually all there are",
		"field": "spec.serviceAccountName",
		"remedy": "name a service account of this namespace in spec.serviceAccountName",
	}
}
