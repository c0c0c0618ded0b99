package govgate.lib.pod_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.lib.pod

specification := {"containers": [{"name": "app", "image": "registry.example/app:1"}]}

template := {"metadata": {"annotations": {"team": "shop"}}, "spec": specification}

objects := {
	"CronJob": {"spec": {"jobTemplate": {"spec": {"template": template}}}},
	"DaemonSet": {"spec": {"template": template}},
	"Deployment": {"spec": {"template": template}},
	"Job": {"spec": {"template": template}},
	"Pod": template,
	"PodTemplate": {"template": template},
	"ReplicaSet": {"spec": {"template": template}},
	"ReplicationController": {"spec": {"template": template}},
	"StatefulSet": {"spec": {"template": template}},
}

test_every_kind_is_known if object.keys(pod.prefixes) == object.keys(objects)

test_every_kind_has_its_pod[kind] if {
	some kind, fields in objects
	request := fixtures.created(object.union(fields, {"kind": kind}))
	pod.spec == specification with input as request
	pod.annotations == {"team": "shop"} with input as request
	path := pod.field("containers") with input as request
	object.get(fields, split(path, "."), null) == specification.containers
}

test_another_kind_has_none if not pod.spec with input as fixtures.created({"kind": "Service", "spec": {"template": template}})

old_pod := fixtures.pod({"initContainers": [fixtures.container("first", {})]})

changes := {
	"an image": {"initContainers": [fixtures.container("first", {"image": "registry.example/other:2"})]},
	"a container": {"ephemeralContainers": [fixtures.container("debug", {})]},
}

test_a_significant_change_of_a_pod_is_judged[note] if {
	some note, change in changes
	new := object.union(old_pod, {"spec": object.union(old_pod.spec, change)})
	pod.spec with input as fixtures.updated(old_pod, new)
}

test_another_change_of_a_pod_is_not if {
	new := object.union(old_pod, {
		"metadata": {"labels": {"new": "label"}, "finalizers": []},
		"spec": object.union(old_pod.spec, {"tolerations": [{"operator": "Exists"}]}),
	})
	not pod.spec with input as fixtures.updated(old_pod, new)
}

test_an_update_without_the_old_object_is_judged if {
	pod.spec with input as {"review": {"operation": "UPDATE", "object": old_pod}}
}

test_a_changed_template_is_judged if {
	new := fixtures.deployment(fixtures.pod({"hostPID": true}))
	pod.spec with input as fixtures.updated(fixtures.deployment(old_pod), new)
}

test_an_unchanged_template_is_not[kind] if {
	some kind, fields in objects
	old := object.union(fields, {"kind": kind})
	new := object.union(old, {"metadata": {"finalizers": []}, "status": {"ready": true}})
	not pod.spec with input as fixtures.updated(old, new)
}

test_a_creation_is_judged_whatever_was_before if {
	request := {"review": {"operation": "CREATE", "object": old_pod, "oldObject": old_pod}}
	pod.spec with input as request
	pod.spec with input as {"review": {"operation": "CREATE", "object": {"kind": "Pod", "spec": {"hostPID": true}}}}
}

test_what_looks_like_another_kind_has_none if {
	not pod.spec with input as fixtures.created(object.union(objects.CronJob, {"kind": "Backup"}))
	not pod.spec with input as fixtures.created(object.union(objects.PodTemplate, {"kind": "Backup"}))
}

test_items_go_by_name_or_place if {
	request := fixtures.created(fixtures.deployment(old_pod))
	named := pod.item_field("containers", 3, {"name": "app"}, "image") with input as request
	named == "spec.template.spec.containers[name=app].image"
	placed := pod.item_field("containers", 3, {}, "image") with input as request
	placed == "spec.template.spec.containers[3].image"
	pod.name(3, {"name": "app"}) == "\"app\""
	pod.name(3, {"name": 7}) == "#3"
}

test_user_namespaces_and_windows if {
	pod.user_namespace with input as fixtures.created(fixtures.pod({"hostUsers": false}))
	not pod.user_namespace with input as fixtures.created(fixtures.pod({}))
	pod.windows with input as fixtures.created(fixtures.pod({"os": {"name": "windows"}}))
	not pod.windows with input as fixtures.created(fixtures.pod({"os": {"name": "linux"}}))
}
