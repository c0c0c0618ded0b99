package govgate.lib.argo_test

import rego.v1

import data.govgate.lib.argo
import data.govgate.lib.fixtures

spec := {"source": {"repoURL": "a"}, "sources": [{"repoURL": "b"}]}

test_an_application if {
	request := fixtures.created({"kind": "Application", "spec": spec})
	argo.spec == spec with input as request
	found := argo.sources with input as request
	found == [
		{"source": {"repoURL": "a"}, "field": "spec.source"},
		{"source": {"repoURL": "b"}, "field": "spec.sources[0]"},
	]
}

test_an_application_set if {
	request := fixtures.created({"kind": "ApplicationSet", "spec": {"template": {"spec": spec}}})
	argo.spec == spec with input as request
	found := argo.sources with input as request
	found[1].field == "spec.template.spec.sources[0]"
}
