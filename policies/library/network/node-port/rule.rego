# METADATA
# scope: package
# title: Node ports
# description: A Service must not take a port of every node.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/services-networking/service/#type-nodeport
# custom:
#   id: network/node-port
#   severity: medium
#   action: warn
#   sets: [network]
#   kinds: [Service]
#   controls:
#     nsa: "Network separation and hardening"
package govgate.rules.network.node_port

import rego.v1

import data.govgate.lib.request

# METADATA
# title: A Service takes a port of every node
findings contains finding if {
	request.resource.spec.type == "NodePort"
	finding := {
		"message": "the service takes a port of every node, past load balancers and their rules",
		"field": "spec.type",
		"remedy": "use the type ClusterIP, behind an Ingress or a Gateway",
	}
}
