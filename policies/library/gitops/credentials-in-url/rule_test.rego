package govgate.rules.gitops.credentials_in_url_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.gitops.credentials_in_url as rule

cases := {
	"none": {"object": {"kind": "GitRepository", "spec": {"url": "https://git.example/shop"}}, "fields": set()},
	"a user": {"object": {"kind": "GitRepository", "spec": {"url": "ssh://git@git.example:22/shop"}}, "fields": set()},
	"an organisation": {"object": {"kind": "Application", "spec": {"source": {"repoURL": "https://acme@dev.azure.com/acme/_git/shop"}}}, "fields": set()},
	"an address of scp": {"object": {"kind": "Application", "spec": {"source": {"repoURL": "git@git.example:shop.git"}}}, "fields": set()},
	"an @ in the path": {"object": {"kind": "GitRepository", "spec": {"url": "https://git.example:8443/a@b"}}, "fields": set()},
	"filled in by an ApplicationSet": {
		"object": {"kind": "ApplicationSet", "spec": {"template": {"spec": {"source": {"repoURL": "https://{{user}}:{{token}}@git.example/b"}}}}},
		"fields": set(),
	},
	"filled in by Flux": {"object": {"kind": "GitRepository", "spec": {"url": "https://ci:${TOKEN}@git.example/shop"}}, "fields": set()},
	"a password": {"object": {"kind": "GitRepository", "spec": {"url": "https://alice:hunter2@git.example/shop"}}, "fields": {"spec.url"}},
	"a password alone": {"object": {"kind": "HelmRepository", "spec": {"url": "https://:hunter2@charts.example"}}, "fields": {"spec.url"}},
	"a token": {"object": {"kind": "OCIRepository", "spec": {"url": sprintf("https://%s@git.example/shop", [token])}}, "fields": {"spec.url"}},
	"of an Application": {
		"object": {"kind": "Application", "spec": {"sources": [{"repoURL": "https://git.example/a"}, {"repoURL": "https://a:b@git.example/b"}]}},
		"fields": {"spec.sources[1].repoURL"},
	},
	"of an ApplicationSet": {
		"object": {"kind": "ApplicationSet", "spec": {"template": {"spec": {"source": {"repoURL": "https://a:b@git.example/b"}}}}},
		"fields": {"spec.template.spec.source.repoURL"},
	},
	"of an AppProject": {"object": {"kind": "AppProject", "spec": {"sourceRepos": ["*", "https://a:b@git.example/b"]}}, "fields": {"spec.sourceRepos[1]"}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}

token := concat("", ["glpat", "-", "a1B2c3D4e5F6g7H8i9J0"])
