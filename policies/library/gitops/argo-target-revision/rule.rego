# METADATA
# scope: package
# title: Revisions of Applications
# description: |
#   An Application should say which revision it deploys: a branch, a tag, a commit, or a version of a chart.
# related_resources:
#   - ref: https://argo-cd.readthedocs.io/en/stable/user-guide/tracking_strategies/
# custom:
#   id: gitops/argo-target-revision
#   severity: low
#   action: warn
#   sets: [gitops]
#   kinds: [argoproj.io/Application, argoproj.io/ApplicationSet]
package govgate.rules.gitops.argo_target_revision

import rego.v1

import data.govgate.lib.argo

# METADATA
# title: Whatever is the newest is deployed
findings contains finding if {
	some found in argo.sources
	object.get(found.source, "targetRevision", "") in {"", "HEAD", "*"}
	finding := {
		"message": "the application deploys whatever the repository calls its newest",
		"field": concat(".", [found.field, "targetRevision"]),
		"remedy": "name a branch, a tag, a commit or a version",
	}
}
