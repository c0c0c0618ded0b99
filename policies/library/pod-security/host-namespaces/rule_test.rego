package govgate.rules.pod_security.host_namespaces_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.host_namespaces as rule

cases := {
	"none": {"object": fixtures.pod({}), "fields": set()},
	"null and false": {"object": fixtures.pod({"hostNetwork": null, "hostPID": false, "hostIPC": false}), "fields": set()},
	"hostNetwork": {"object": fixtures.pod({"hostNetwork": true}), "fields": {"spec.hostNetwork"}},
	"hostPID": {"object": fixtures.pod({"hostPID": true}), "fields": {"spec.hostPID"}},
	"hostIPC": {"object": fixtures.pod({"hostIPC": true}), "fields": {"spec.hostIPC"}},
	"a template": {
		"object": fixtures.deployment(fixtures.pod({"hostPID": true, "hostIPC": true})),
		"fields": {"spec.template.spec.hostPID", "spec.template.spec.hostIPC"},
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}

test_the_fix if {
	fixes := {finding.fix | some finding in rule.findings} with input as fixtures.created(fixtures.pod({"hostPID": true, "hostNetwork": true}))
	fixes == {{"op": "remove"}}
}

test_no_fix_that_the_api_server_refuses[note] if {
	some note, fields in {
		"the pod": {"securityContext": {"windowsOptions": {"hostProcess": true}}},
		"a container": {"containers": [fixtures.container("app", fixtures.secure({"windowsOptions": {"hostProcess": true}}))]},
	}
	request := fixtures.created(fixtures.pod(object.union(fields, {"hostNetwork": true, "hostPID": true})))
	fixes := {finding.field | some finding in rule.findings; finding.fix} with input as request
	fixes == {"spec.hostPID"}
}
