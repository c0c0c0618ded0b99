package govgate.rules.secrets.config_map_credentials_test

import rego.v1

import data.govgate.lib.fixtures
import data.govgate.rules.secrets.config_map_credentials as rule

cases := {
	"none": {"object": {"data": null}, "fields": set()},
	"settings": {"object": {"data": {"log_level": "debug", "ca.crt": certificate}}, "fields": set()},
	"a private key": {"object": {"data": {"tls.key": key}}, "fields": {"data[\"tls.key\"]"}},
	"a cloud's key": {"object": {"data": {"AWS_SECRET_ACCESS_KEY": aws}}, "fields": {"data.AWS_SECRET_ACCESS_KEY"}},
	"a token": {"object": {"data": {"settings": sprintf("token: %s", [token])}}, "fields": {"data.settings"}},
	"a binary private key": {"object": {"binaryData": {"key": base64.encode(key)}}, "fields": {"binaryData.key"}},
	"another binary value": {"object": {"binaryData": {"image": base64.encode("PNG"), "crt": base64.encode(certificate)}}, "fields": set()},
}

test_rule[note] if {
	some note, case in cases
	found := {finding.field | some finding in rule.findings} with input as fixtures.input_with(case.object, object.get(case, "parameters", {}))
	found == case.fields
}

body := concat("", ["bm90IGEga2V5" | some _ in numbers.range(1, 8)])

key := concat("", ["-----BEGIN ", "PRIVATE KEY-----\n", body, "\n-----END ", "PRIVATE KEY-----\n"])

certificate := replace(key, "PRIVATE KEY", "CERTIFICATE")

aws := concat("", ["a1B/" | some _ in numbers.range(1, 10)])

token := concat("", ["glpat", "-", "a1B2c3D4e5F6g7H8i9J0"])

test_what_was_there_before_can_stay if {
	old := {"data": {"tls.key": key, "log_level": "debug"}, "binaryData": {"key": base64.encode(key)}}
	rule.findings == set() with input as fixtures.updated(old, object.union(old, {"data": {"log_level": "info"}}))
}

test_the_value_is_not_told if {
	findings := rule.findings with input as fixtures.created({"data": {"tls.key": key, "AWS_SECRET_ACCESS_KEY": aws}})
	not contains(json.marshal(findings), "bm90")
	not contains(json.marshal(findings), "a1B/")
}
