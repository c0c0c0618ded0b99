package govgate.lib.selector_test

import rego.v1

import data.govgate.lib.selector

labels := {"app": "web", "tier": "front"}

selecting := {
	"everything": {},
	"a label": {"matchLabels": {"app": "web"}},
	"in": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]},
	"not in": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["api"]}]},
	"not in, without the label": {"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]},
	"exists": {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
	"does not exist": {"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]},
}

not_selecting := {
	"none": null,
	"another value": {"matchLabels": {"app": "web", "tier": "back"}},
	"another label": {"matchLabels": {"zone": "a"}},
	"in": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["api"]}]},
	"in, without the label": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]},
	"not in": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]},
	"exists": {"matchExpressions": [{"key": "zone", "operator": "Exists"}]},
	"does not exist": {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]},
	"unknown": {"matchExpressions": [{"key": "app", "operator": "Like", "values": ["web"]}]},
	"one of two": {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "zone", "operator": "Exists"}]},
}

test_selects[note] if {
	some note, written in selecting
	selector.matches(written, labels)
}

test_does_not_select[note] if {
	some note, written in not_selecting
	not selector.matches(written, labels)
}
