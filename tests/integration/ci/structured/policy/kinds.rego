package kinds.of

import rego.v1

warn contains msg if msg := sprintf("a %s with %d keys", [type_name(input), count(object.keys(input))])

warn contains msg if {
	some name, value in input.server
	msg := sprintf("%s is a %s", [name, type_name(value)])
}

warn contains msg if {
	not is_object(input)
	msg := sprintf("a %s", [type_name(input)])
}
