package govgate.lib.request_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.lib.request

item := {"kind": "Service", "metadata": {"name": "web"}, "spec": {"type": "ClusterIP"}}

test_a_creation_is_judged if request.resource == item with input as fixtures.created(item)

test_a_creation_is_judged_whatever_was_before if {
	request.resource == item with input as {"review": {"operation": "CREATE", "object": item, "oldObject": item}}
}

test_a_change_is_judged if {
	new := object.union(item, {"spec": {"type": "LoadBalancer"}})
	request.resource == new with input as fixtures.updated(item, new)
}

test_an_update_without_the_old_object_is_judged if {
	request.resource == item with input as {"review": {"operation": "UPDATE", "object": item}}
}

test_a_change_of_metadata_and_status_is_not if {
	new := object.union(item, {"metadata": {"finalizers": []}, "status": {"ready": true}})
	not request.resource with input as fixtures.updated(item, new)
}

test_the_namespace_of_the_request if {
	request.namespace == "web" with input as {"review": {"namespace": "web", "object": {"metadata": {"namespace": "shop"}}}}
}

test_the_namespace_of_the_object if {
	request.namespace == "shop" with input as {"review": {"object": {"metadata": {"namespace": "shop"}}}}
}

test_no_namespace if request.namespace == "" with input as fixtures.created(item)
