package programs.texts

import rego.v1

basics := [
	concat(",", ["a", "b"]), contains("abc", "b"), endswith("abc", "c"), indexof("añb", "b"), indexof_n("aXbX", "X"),
	lower("ÄB"), replace("aa", "a", "b"), split("a/b/c", "/"), startswith("abc", "a"), substring("añbc", 1, 2),
	trim(" x ", " "), trim_left("xxa", "x"), trim_prefix("abc", "a"), trim_space("\ta\n"), upper("ß"), strings.count("aba", "a"),
	strings.reverse("añb"), strings.any_prefix_match(["abc"], ["x", "a"]), strings.replace_n({"a": "1", "b": "2"}, "ab"),
]

formatted := sprintf("%v %s %q %5d|%-5s|%t %v %v", [[1, "a"], "text", "quoted", 42, "ab", true, {"k": {1, 2}}, null])

regexes := [
	regex.match("^(a+)+$", "aaaa"), regex.split("[,;]", "a,b;c"), regex.replace("abc", "(b)", "<$1>"),
	regex.find_n("[a-z]+", "ab 1 cd", -1), regex.find_all_string_submatch_n("(.)=(.)", "a=1,b=2", -1), regex.is_valid("("),
	regex.globs_match("a.a.[0-9]+", "a.*.1"), regex.template_match("urn:{.*}", "urn:x", "{", "}"),
]

invalid_regex := regex.match("(", "a")

globs := [glob.match("*.example.com", [], "a.example.com"), glob.match("**.com", ["."], "a.b.com"), glob.quote_meta("*")]

encoded := [
	base64.encode("añ"), base64url.encode_no_pad("??>"), urlquery.encode("a b&c"), hex.encode("az"),
	json.marshal({"b": [1, {2, 1}], "a": "<é>"}), yaml.marshal({"a": [1, true]}),
	base64.decode("YQ=="), urlquery.decode_object("a=1&a=2"), hex.decode("617a"),
]

decoded := [json.unmarshal(`{"a": [1.0, 1e2]}`), yaml.unmarshal("a: [1, yes, 012]"), json.is_valid("{"), yaml.is_valid("a: [")]

unreadable := json.unmarshal("{")

hashes := [crypto.sha256("a"), crypto.md5("a"), crypto.sha1("a"), crypto.hmac.sha256("a", "key")]

versions := [semver.compare("1.2.0", "1.10.0-rc.1"), semver.is_valid("v1")]

times := [
	time.parse_rfc3339_ns("2024-02-29T12:00:00Z"), time.date(1709208000000000000), time.weekday(1709208000000000000),
	time.add_date(1709208000000000000, 1, 0, 0), time.parse_duration_ns("1h30m"), time.format([1709208000000000000, "Europe/Berlin"]),
	time.diff(1709208000000000000, 1609208000000000000),
]

networks := [
	net.cidr_contains("10.0.0.0/8", "10.1.2.3"), net.cidr_expand("10.0.0.0/30"), net.cidr_intersects("10.0.0.0/8", "11.0.0.0/8"),
	net.cidr_merge(["10.0.0.0/25", "10.0.0.128/25"]), net.cidr_is_valid("10.0.0.0/33"),
	net.cidr_contains_matches(["10.0.0.0/8"], ["10.1.1.1", "11.1.1.1"]),
]

token := io.jwt.decode("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.")

address := uri.parse("https://user@example.com:8443/a?b=c#d")

unicode := {"input": object.get(input, "text", ""), "escaped": "\u0000\u001f\u007f\u2028\ud83d\ude00"}
