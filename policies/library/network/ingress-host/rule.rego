# METADATA
# scope: package
# title: Hosts of Ingresses
# description: |
#   An Ingress must not claim a host that an Ingress of another namespace has, nor a host and path that another
#   of its own namespace has. Ingresses of different classes do not meet.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/services-networking/ingress/
# custom:
#   id: network/ingress-host
#   severity: high
#   action: deny
#   sets: [network]
#   kinds: [networking.k8s.io/Ingress]
#   inventory: [networking.k8s.io/v1/Ingress]
package govgate.rules.network.ingress_host

import rego.v1

import data.govgate.lib.request

# METADATA
# title: Another namespace has the host
findings contains finding if {
	some i, rule in request.resource.spec.rules
	named(rule.host)
	some namespace, kinds in data.inventory.namespace
	namespace != request.namespace
	some name, other in kinds["networking.k8s.io/v1"].Ingress
	meet(request.resource, other)
	some taken in other.spec.rules
	taken.host == rule.host
	finding := {
		"message": sprintf("the host %s belongs to the Ingress %s/%s", [rule.host, namespace, name]),
		"field": sprintf("spec.rules[%d].host", [i]),
		"remedy": "use another host",
	}
}

# METADATA
# title: Another Ingress of the namespace has the host and the path
findings contains finding if {
	some i, rule in request.resource.spec.rules
	named(rule.host)
	some name, other in data.inventory.namespace[request.namespace]["networking.k8s.io/v1"].Ingress
	name != request.resource.metadata.name
	meet(request.resource, other)
	some taken in other.spec.rules
	taken.host == rule.host
	some j, route in rule.http.paths
	some path in taken.http.paths
	object.get(path, "path", "/") == object.get(route, "path", "/")
	finding := {
		"message": sprintf("the path %s of %s belongs to the Ingress %s too", [object.get(route, "path", "/"), rule.host, name]),
		"field": sprintf("spec.rules[%d].http.paths[%d].path", [i, j]),
		"remedy": "use another path or host",
	}
}

# METADATA
# title: The rule is about a host
named(host) if not host in {"", null}

# METADATA
# title: One controller serves both, as far as their classes tell
meet(one, other) if class(one) == class(other)

meet(one, _) if class(one) == ""

meet(_, other) if class(other) == ""

# METADATA
# title: The class, empty if none is stated
class(ingress) := ingress.spec.ingressClassName if is_string(ingress.spec.ingressClassName)

else := name if name := ingress.metadata.annotations["kubernetes.io/ingress.class"]

else := ""
