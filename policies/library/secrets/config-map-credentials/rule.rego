# METADATA
# scope: package
# title: Credentials in ConfigMaps
# description: A ConfigMap must not hold a private key, a cloud's secret key or a token of a known form.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/configuration/secret/
# custom:
#   id: secrets/config-map-credentials
#   severity: critical
#   action: deny
#   sets: [secrets]
#   kinds: [ConfigMap]
package govgate.rules.secrets.config_map_credentials

import rego.v1

import data.govgate.lib.credentials
import data.govgate.lib.path

# METADATA
# title: A value holds credentials
findings contains finding if {
	credentials.marked(text)
	some name, value in input.review.object.data
	not unchanged("data", name, value)
	some kind in credentials.in_setting(name, value)
	finding := found(kind, path.member("data", name))
}

# METADATA
# title: All names and values at once
text := concat("\n", [part | some name, value in input.review.object.data; some part in [name, value]; is_string(part)])

# METADATA
# title: A binary value holds a private key
# description: Only a value that begins as such a key does is decoded.
findings contains finding if {
	some name, value in input.review.object.binaryData
	startswith(value, "LS0tLS1CRUdJTi")
	not unchanged("binaryData", name, value)
	some kind in credentials.in_text(base64.decode(value))
	finding := found(kind, path.member("binaryData", name))
}

# METADATA
# title: The value was there before the request
unchanged(map, name, value) if value == object.get(input.review, ["oldObject", map, name], null)

# METADATA
# title: The finding
found(kind, field) := {
	"message": sprintf("the ConfigMap holds %s", [kind]),
	"field": field,
	"remedy": "keep it in a Secret, encrypted in Git, and change it: it has been read by whoever reads this",
}
