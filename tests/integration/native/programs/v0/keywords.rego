package programs.keywords

import future.keywords.contains
import future.keywords.every
import future.keywords.if
import future.keywords.in

import data.programs.older as other

deny contains message if {
	some container in input.review.object.spec.containers
	not container.securityContext.runAsNonRoot
	message := sprintf("%s may run as root", [container.name])
}

tight if every container in input.review.object.spec.containers { container.resources.limits.memory }

labelled := other.label(input.review.object.metadata)

newer := data.programs.control.level
