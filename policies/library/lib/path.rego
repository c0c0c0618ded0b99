# METADATA
# scope: package
# title: Paths of fields
package govgate.lib.path

import rego.v1

# METADATA
# title: The path of a member of a map
# description: In brackets where its name holds more than letters, digits, `_` and `-`.
member(map, name) := sprintf("%s.%s", [map, name]) if regex.match(`^[A-Za-z_][A-Za-z0-9_-]*$`, name)

else := sprintf("%s[%q]", [map, name])
