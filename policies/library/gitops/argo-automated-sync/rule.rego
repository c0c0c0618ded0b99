# METADATA
# scope: package
# title: Automated sync of Applications
# description: An Application that syncs by itself should also prune, and heal what was changed in the cluster.
# related_resources:
#   - ref: https://argo-cd.readthedocs.io/en/stable/user-guide/auto_sync/
# custom:
#   id: gitops/argo-automated-sync
#   severity: low
#   action: warn
#   sets: [gitops]
#   kinds: [argoproj.io/Application, argoproj.io/ApplicationSet]
package govgate.rules.gitops.argo_automated_sync

import rego.v1

import data.govgate.lib.argo

# METADATA
# title: A part of it is off
findings contains finding if {
	automated := argo.spec.syncPolicy.automated
	is_object(automated)
	not automated.enabled == false
	some name, effect in {"prune": "what is deleted in Git stays in the cluster", "selfHeal": "changes made in the cluster stay"}
	not automated[name] == true
	finding := {
		"message": effect,
		"field": sprintf("%s.syncPolicy.automated.%s", [argo.prefix, name]),
		"remedy": sprintf("set %s to true", [name]),
	}
}
