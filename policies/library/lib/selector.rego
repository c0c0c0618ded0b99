# METADATA
# scope: package
# title: Label selectors
# description: As Kubernetes reads them. No selector selects nothing, an empty one selects everything.
package govgate.lib.selector

import rego.v1

# METADATA
# title: The selector selects an object with these labels
matches(selector, labels) if {
	is_object(selector)
	every name, value in object.get(selector, "matchLabels", {}) {
		labels[name] == value
	}
	every expression in object.get(selector, "matchExpressions", []) {
		_holds(expression, labels)
	}
}

_holds(expression, labels) if {
	expression.operator == "In"
	labels[expression.key] in expression.values
}

_holds(expression, labels) if {
	expression.operator == "NotIn"
	not _one_of(expression, labels)
}

_holds(expression, labels) if {
	expression.operator == "Exists"
	expression.key in object.keys(labels)
}

_holds(expression, labels) if {
	expression.operator == "DoesNotExist"
	not expression.key in object.keys(labels)
}

_one_of(expression, labels) if labels[expression.key] in expression.values
