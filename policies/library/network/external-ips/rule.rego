# METADATA
# scope: package
# title: External addresses
# description: A Service must not claim external addresses.
# related_resources:
#   - ref: https://github.com/kubernetes/kubernetes/issues/97076
# custom:
#   id: network/external-ips
#   severity: high
#   action: deny
#   sets: [network]
#   kinds: [Service]
#   controls:
#     nsa: "Network separation and hardening"
package govgate.rules.network.external_ips

import rego.v1

import data.govgate.lib.request

# METADATA
# title: A Service claims an address
findings contains finding if {
	some i, _ in request.resource.spec.externalIPs
	finding := {
		"message": "the service takes all traffic of the cluster to an address that it chooses",
		"field": sprintf("spec.externalIPs[%d]", [i]),
		"remedy": "remove it, and use the type LoadBalancer",
	}
}
