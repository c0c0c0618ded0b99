# METADATA
# scope: package
# title: Secret settings in ConfigMaps
# description: |
#   A ConfigMap should hold no setting that is a password, a token or a key by its name, and no AWS access key
#   id.
# related_resources:
#   - ref: https://kubernetes.io/docs/concepts/configuration/secret/
# custom:
#   id: secrets/config-map-names
#   severity: medium
#   action: warn
#   sets: [secrets]
#   kinds: [ConfigMap]
package govgate.rules.secrets.config_map_names

import rego.v1

import data.govgate.lib.credentials
import data.govgate.lib.path

# METADATA
# title: A setting is a credential by its name
findings contains finding if {
	credentials.may_tell(object.keys(input.review.object.data))
	some name, value in input.review.object.data
	credentials.telling(name)
	suspicious(value)
	count(credentials.in_setting(name, value)) == 0
	not unchanged(name, value)
	finding := found("looks like a credential by its name", name)
}

# METADATA
# title: A value holds an AWS access key id
findings contains finding if {
	some name, value in input.review.object.data
	credentials.key_id(value)
	not unchanged(name, value)
	finding := found("holds an AWS access key id, whose secret may not be far", name)
}

# METADATA
# title: The value is one line, and not plainly something else
suspicious(value) if {
	not contains(trim_space(value), "\n")
	not credentials.harmless(value)
}

# METADATA
# title: The value was there before the request
unchanged(name, value) if value == object.get(input.review, ["oldObject", "data", name], null)

# METADATA
# title: The finding
found(what, name) := {
	"message": sprintf("the setting %s", [what]),
	"field": path.member("data", name),
	"remedy": "if it is one, keep it in a Secret, encrypted in Git, and change it",
}
