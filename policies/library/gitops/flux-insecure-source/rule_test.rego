package govgate.rules.gitops.flux_insecure_source_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.gitops.flux_insecure_source as rule

cases := {
	"https": {"object": {"kind": "GitRepository", "spec": {"url": "https://git.example/shop"}}, "fields": set()},
	"ssh": {"object": {"kind": "GitRepository", "spec": {"url": "ssh://git@git.example/shop"}}, "fields": set()},
	"secure": {"object": {"kind": "OCIRepository", "spec": {"url": "oci://registry.example/shop", "insecure": false}}, "fields": set()},
	"http": {"object": {"kind": "HelmRepository", "spec": {"url": "http://charts.example"}}, "fields": {"spec.url"}},
	"insecure": {"object": {"kind": "Bucket", "spec": {"endpoint": "minio.example", "insecure": true}}, "fields": {"spec.insecure"}},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}
