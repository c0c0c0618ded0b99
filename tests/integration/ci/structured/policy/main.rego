package main

import rego.v1

deny contains msg if {
	input.server.debug == true
	msg := "debug is on"
}

deny_debug contains {"msg": "debug is on here", "field": "server.debug"} if input.server.debug == true

violation contains {"msg": msg, "details": {"bucket": name}} if {
	some name, i
	input.resource.aws_s3_bucket[name][i].acl == "public-read"
	msg := sprintf("bucket %s is public", [name])
}

exception contains ["debug"] if input.server.legacy
