# METADATA
# scope: package
# title: Argo CD's default project
# description: An Application should belong to a project other than default.
# related_resources:
#   - ref: https://argo-cd.readthedocs.io/en/stable/user-guide/projects/#the-default-project
# custom:
#   id: gitops/argo-default-project
#   severity: low
#   action: warn
#   sets: [gitops]
#   kinds: [argoproj.io/Application, argoproj.io/ApplicationSet]
package govgate.rules.gitops.argo_default_project

import rego.v1

import data.govgate.lib.argo

# METADATA
# title: The Application is in the default project
findings contains finding if {
	object.get(argo.spec, "project", "") in {"", "default"}
	finding := {
		"message": "the application is in the project default, which usually allows everything",
		"field": concat(".", [argo.prefix, "project"]),
		"remedy": "make a project for the team, and use it",
	}
}
