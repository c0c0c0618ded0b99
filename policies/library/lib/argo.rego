# METADATA
# scope: package
# title: The Argo CD Application that an object is, or makes
package govgate.lib.argo

import rego.v1

import data.govgate.lib.request

# METADATA
# title: Where the Application's specification stands, in an object of each kind
prefixes := {"Application": "spec", "ApplicationSet": "spec.template.spec"}

# METADATA
# title: The prefix for the object at hand
prefix := prefixes[request.resource.kind]

# METADATA
# title: The Application's specification
spec := request.resource.spec if prefix == "spec"

spec := request.resource.spec.template.spec if prefix == "spec.template.spec"

# METADATA
# title: Its sources, each with the path of its field
sources := array.concat(
	[{"source": spec.source, "field": concat(".", [prefix, "source"])} | is_object(spec.source)],
	[{"source": source, "field": sprintf("%s.sources[%d]", [prefix, i])} | some i, source in spec.sources],
)
