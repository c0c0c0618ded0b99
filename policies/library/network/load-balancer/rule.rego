# METADATA
# scope: package
# title: Load balancers
# description: A Service of type LoadBalancer must say which sources it serves, or be marked as internal.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/services-networking/service/#loadbalancer
# custom:
#   id: network/load-balancer
#   severity: medium
#   action: warn
#   sets: [network]
#   kinds: [Service]
#   controls:
#     nsa: "Network separation and hardening"
package govgate.rules.network.load_balancer

import rego.v1

# METADATA
# title: A load balancer serves everybody
findings contains finding if {
	judged
	input.review.object.spec.type == "LoadBalancer"
	not restricted(input.review.object.spec)
	not internal
	finding := {
		"message": "the load balancer serves the whole internet",
		"field": "spec.loadBalancerSourceRanges",
		"remedy": "set spec.loadBalancerSourceRanges, or make the load balancer internal by your cloud's annotation",
	}
}

# METADATA
# title: What it serves is stated, or changed
default judged := true

judged := false if {
	input.review.operation == "UPDATE"
	every path in ["spec", "metadata/annotations"] {
		new := object.get(input.review.object, split(path, "/"), {})
		new == object.get(input.review.oldObject, split(path, "/"), {})
	}
}

# METADATA
# title: There are ranges, and none is everything
restricted(spec) if {
	ranges := spec.loadBalancerSourceRanges
	count(ranges) > 0
	every range in ranges {
		not endswith(range, "/0")
	}
}

# METADATA
# title: Clouds' annotations of an internal load balancer
internal_marks := {
	"cloud.google.com/load-balancer-type": "Internal",
	"networking.gke.io/load-balancer-type": "Internal",
	"service.beta.kubernetes.io/aws-load-balancer-internal": "true",
	"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
	"service.beta.kubernetes.io/azure-load-balancer-internal": "true",
	"service.beta.kubernetes.io/openstack-internal-load-balancer": "true",
}

# METADATA
# title: The load balancer is marked as internal
internal if {
	some name, value in internal_marks
	input.review.object.metadata.annotations[name] == value
}
