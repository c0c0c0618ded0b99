# METADATA
# scope: package
# title: Wildcards in AppProjects
# description: An AppProject should not allow all repositories, all clusters, all namespaces or all cluster-scoped kinds.
# related_resources:
#   - ref: https://argo-cd.readthedocs.io/en/stable/user-guide/projects/
# custom:
#   id: gitops/argo-project-wildcards
#   severity: medium
#   action: warn
#   sets: [gitops]
#   kinds: [argoproj.io/AppProject]
package govgate.rules.gitops.argo_project_wildcards

import rego.v1

import data.govgate.lib.request

# METADATA
# title: Every repository may be deployed from
findings contains finding if {
	some i, repository in request.resource.spec.sourceRepos
	repository in {"*", "**"}
	finding := {
		"message": "applications of the project may come from every repository",
		"field": sprintf("spec.sourceRepos[%d]", [i]),
		"remedy": "list the repositories",
	}
}

# METADATA
# title: Every cluster or namespace may be deployed to
findings contains finding if {
	some i, destination in request.resource.spec.destinations
	some name in ["server", "name", "namespace"]
	destination[name] in {"*", "**"}
	not beside_the_other(destination, name)
	finding := {
		"message": sprintf("applications of the project may be deployed to every %s", [{"server": "cluster", "name": "cluster", "namespace": "namespace"}[name]]),
		"field": sprintf("spec.destinations[%d].%s", [i, name]),
		"remedy": "list the clusters and namespaces",
	}
}

# METADATA
# title: Every cluster-scoped kind may be deployed
findings contains finding if {
	some i, kind in request.resource.spec.clusterResourceWhitelist
	kind.group == "*"
	kind.kind == "*"
	finding := {
		"message": "applications of the project may create every cluster-scoped kind, roles and webhooks included",
		"field": sprintf("spec.clusterResourceWhitelist[%d]", [i]),
		"remedy": "list the kinds that are needed, often none",
	}
}

# METADATA
# title: A destination names its cluster by server or by name, and the other one does not count
beside_the_other(destination, "name") if not object.get(destination, "server", "") in {"", "*", "**"}

beside_the_other(destination, "server") if not object.get(destination, "name", "") in {"", "*", "**"}
