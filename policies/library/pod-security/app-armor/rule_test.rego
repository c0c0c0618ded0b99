package govgate.rules.pod_security.app_armor_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.pod_security.app_armor as rule

annotated(profiles) := object.union(fixtures.pod({}), {"metadata": {"annotations": {key: value |
	some name, value in profiles
	key := concat("", [rule.annotation, name])
}}})

cases := {
	"none": {"object": fixtures.pod({"securityContext": {}}), "fields": set()},
	"null": {"object": fixtures.pod({"securityContext": {"appArmorProfile": null}}), "fields": set()},
	"RuntimeDefault": {"object": fixtures.pod({"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}}), "fields": set()},
	"Localhost": {"object": fixtures.pod_of({"securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "x"}}}), "fields": set()},
	"the pod": {
		"object": fixtures.pod({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}),
		"fields": {"spec.securityContext.appArmorProfile.type"},
	},
	"no type": {"object": fixtures.pod({"securityContext": {"appArmorProfile": {}}}), "fields": {"spec.securityContext.appArmorProfile.type"}},
	"every list": {
		"object": fixtures.deployment(fixtures.pod({
			"initContainers": [fixtures.container("first", fixtures.secure({"appArmorProfile": {"type": "Unconfined"}}))],
			"containers": [fixtures.container("app", fixtures.secure({"appArmorProfile": {"type": "Unconfined"}}))],
			"ephemeralContainers": [fixtures.container("debug", fixtures.secure({"appArmorProfile": {"type": "Unconfined"}}))],
		})),
		"fields": {
			"spec.template.spec.initContainers[name=first].securityContext.appArmorProfile.type",
			"spec.template.spec.containers[name=app].securityContext.appArmorProfile.type",
			"spec.template.spec.ephemeralContainers[name=debug].securityContext.appArmorProfile.type",
		},
	},
	"allowed annotations": {"object": annotated({"app": "runtime/default", "b": "localhost/x", "c": "", "d": null}), "fields": set()},
	"an annotation": {
		"object": annotated({"app": "unconfined"}),
		"fields": {"spec.containers[name=app].securityContext.appArmorProfile.type"},
	},
	"an annotation for no container": {
		"object": annotated({"gone": "unconfined"}),
		"fields": {"metadata.annotations[\"container.apparmor.security.beta.kubernetes.io/gone\"]"},
	},
	"another annotation beside one": {
		"object": object.union(annotated({"app": "runtime/default"}), {"metadata": {"annotations": {"example.com/gone": "unconfined"}}}),
		"fields": set(),
	},
	"another annotation": {
		"object": object.union(fixtures.pod({}), {"metadata": {"annotations": {"example.com/app": "unconfined"}}}),
		"fields": set(),
	},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.created(case.object)
	found == case.fields
}
