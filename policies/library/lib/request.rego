# METADATA
# scope: package
# title: The object that a request states
# description: |
#   `resource` is undefined for a request that leaves everything but metadata and status as it is: an object that broke
#   a rule before the rule came can still be labelled and deleted, its finalizers removed.
package govgate.lib.request

import rego.v1

# METADATA
# title: The object as it would become
resource := input.review.object if judged

# METADATA
# title: The request can change what the object asks for
default judged := true

judged := false if {
	input.review.operation == "UPDATE"
	_asked(input.review.object) == _asked(input.review.oldObject)
}

# Argo CD writes `operation` into Applications as it syncs them.
_asked(item) := object.remove(item, ["metadata", "operation", "status"])

# METADATA
# title: The object's namespace, empty if it is not known
namespace := input.review.namespace if input.review.namespace != ""

else := input.review.object.metadata.namespace if input.review.object.metadata.namespace != null

else := ""
