package govgate.rules.network.ingress_host_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.network.ingress_host as rule

ingress(name, namespace, class, host, path) := {
	"apiVersion": "networking.k8s.io/v1",
	"kind": "Ingress",
	"metadata": {"name": name, "namespace": namespace},
	"spec": object.union(class, {"rules": [{"host": host, "http": {"paths": [{"path": path}]}}]}),
}

inventory(item) := {"namespace": {item.metadata.namespace: {"networking.k8s.io/v1": {"Ingress": {item.metadata.name: item}}}}}

found(new, old) := fields if {
	fields := {finding.field | some finding in rule.findings} with input as fixtures.created(new)
		with data.inventory as inventory(old)
}

mine := ingress("mine", "shop", {"ingressClassName": "public"}, "shop.example", "/")

cases := {
	"another host": {"old": ingress("other", "web", {"ingressClassName": "public"}, "web.example", "/"), "fields": set()},
	"the host, in another namespace": {
		"old": ingress("other", "web", {"ingressClassName": "public"}, "shop.example", "/other"),
		"fields": {"spec.rules[0].host"},
	},
	"the host, of another class": {"old": ingress("other", "web", {"ingressClassName": "private"}, "shop.example", "/"), "fields": set()},
	"the host, without a class": {"old": ingress("other", "web", {}, "shop.example", "/"), "fields": {"spec.rules[0].host"}},
	"the host and another path, in the namespace": {
		"old": ingress("other", "shop", {"ingressClassName": "public"}, "shop.example", "/other"),
		"fields": set(),
	},
	"another host and the path, in the namespace": {
		"old": ingress("other", "shop", {"ingressClassName": "public"}, "web.example", "/"),
		"fields": set(),
	},
	"the host and the path, in the namespace, of another class": {
		"old": ingress("other", "shop", {"ingressClassName": "private"}, "shop.example", "/"),
		"fields": set(),
	},
	"the host and the path, in the namespace": {
		"old": ingress("other", "shop", {"ingressClassName": "public"}, "shop.example", "/"),
		"fields": {"spec.rules[0].http.paths[0].path"},
	},
	"itself": {"old": mine, "fields": set()},
}

test_rule[note] if {
	some note, case in cases
	found(mine, case.old) == case.fields
}

test_a_class_by_annotation if {
	old := object.union(
		ingress("other", "web", {}, "shop.example", "/"),
		{"metadata": {"annotations": {"kubernetes.io/ingress.class": "private"}}},
	)
	found(mine, old) == set()
}

test_without_a_class_every_controller_may_serve_it if {
	new := ingress("new", "shop", {}, "web.example", "/")
	found(new, ingress("other", "web", {"ingressClassName": "private"}, "web.example", "/")) == {"spec.rules[0].host"}
}

test_without_a_host if {
	new := ingress("new", "shop", {}, "", "/")
	found(new, ingress("other", "web", {}, "", "/")) == set()
	found(new, ingress("other", "shop", {}, "", "/")) == set()
}
