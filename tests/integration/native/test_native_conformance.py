"""The same programs in this process and in the real ``opa``: the values are equal, and so is what does not compile."""

from __future__ import annotations

import json
import subprocess

import pytest
from support.tools import tool

from gateway.native.rego import Failed, Module, Options, RegoError, Undefined, Value, compile_rules

pytestmark = [pytest.mark.native, pytest.mark.servers]

INPUT = {
    "n": 9007199254740993,
    "f": 1.50,
    "e": 1e3,
    "s": "aé\u2028<&>",
    "list": [3, 1, 2, 1],
    "empty": {},
    "nested": {"a": {"b": [{"c": None}, {"c": False}]}},
    "image": "registry.example/team/app:1.2@sha256:00",
    "labels": {"app.kubernetes.io/name": "x", "tier": "y"},
}
DATA = {"inventory": {"namespace": {"a": {"v1": {"Pod": {"p": {"x": 1}}}}, "b": {}}}, "list": [1, [2, {"k": "v"}]]}

# Each is the body of a package; the answer is the value of its rule p.
V1 = {
    "numbers": "p := [input.n, input.n + 1, input.f, input.e, 1/3, 10 % 4, -0, 1e400, 0.1 + 0.2]",
    "division by zero is undefined": "p := 1 / 0",
    "text": 'p := [input.s, upper(input.s), sprintf("%v %d %s", [input.f, input.n, input.list]), concat(",", ["a", "b"])]',
    "sets are sorted": 'p := {x | some x in [3, "a", 1, null, [2], {"k": 1}, true, 1.0]}',
    "keys that are not text": 'p := {1: "a", true: "b", [1, 2]: "c", {"x": 1}: "d", {3, 2}: "e", null: "f"}',
    "objects": 'p := object.union(input.nested, {"a": {"z": 1}, "q": object.get(input, ["nested", "a", "b", 1, "c"], 7)})',
    "false and null": "p := [input.nested.a.b[0].c, input.nested.a.b[1].c]",
    "undefined": "p if input.missing.deeper",
    "every": "p if every x in input.list { x > 0 }",
    "else": 'p := "a" if { input.missing } else := "b" if { input.n > 1 } else := "c"',
    "default": "default p := false\np if input.missing",
    "default function": "default f(_) := 0\nf(x) := x if x > 1\np := [f(1), f(2)]",
    "partial objects": "p[k] := v if { some k, v in input.labels }\np.extra.deep := 1",
    "references in heads": 'p.a.b := 1\np.a.c contains x if { some x in input.list }\np.a[k].d := v if { some k, v in {"m": 1} }',
    "comprehensions": "p := {k: [v | some v in input.list; v > k] | some k in [1, 2]}",
    "walk": "p := [path | walk(input.nested, [path, v]); not is_object(v)]",
    "with replaces input, data and functions": (
        "q := [input.n, data.list, count([1])]\nf(_) := 7\np := x if x := q with input.n as 1 with data.list as [] with count as f"
    ),
    "base documents": "p := [ns | some ns, _ in data.inventory.namespace]\n",
    "documents, whole": "p := [data.inventory, data.list[1][1].k]",
    "rules beside data": "p := object.keys(data.inventory.namespace[_].v1.Pod)",
    "regular expressions": (
        'p := [regex.match(`^a+$`, "aa"), regex.find_all_string_submatch_n(`(\\w)(\\d)`, "a1 b2", -1), '
        'regex.replace("aab", "a+", "<$0>"), regex.split(",", "a,b")]'
    ),
    "globs": 'p := [glob.match("*.example.com", ["."], x) | some x in ["a.example.com", "a.b.example.com", "example.com"]]',
    "json": 'p := [json.marshal({"b": [1, 2.50], "a": "<"}), json.unmarshal("[1, 1.0, 1e2]"), json.filter(input, ["nested/a"])]',
    "patches": 'p := json.patch(input.empty, [{"op": "add", "path": "/x", "value": [1]}])',
    "yaml": 'p := [yaml.unmarshal("a: y\\nb: 0o12\\nc: 1e3\\nd: [~]"), yaml.marshal({"a": [1]})]',
    "encodings": 'p := [base64.encode("ü"), urlquery.encode("a b&c"), hex.encode("z"), base64url.decode("_-8")]',
    "hashes": 'p := [crypto.sha256("a"), crypto.md5("a"), crypto.hmac.sha256("a", "k")]',
    "times": (
        'p := [time.parse_rfc3339_ns("2026-01-02T03:04:05Z"), time.date([0, "Europe/Berlin"]), '
        'time.add_date(0, 1, 2, 3), time.format([0, "UTC", "RFC1123"])]'
    ),
    "networks": (
        'p := [net.cidr_contains("10.0.0.0/8", "10.1.2.3"), net.cidr_expand("10.0.0.0/30"), net.cidr_is_valid("x"), '
        'net.cidr_merge(["10.0.0.0/9", "10.128.0.0/9"])]'
    ),
    "versions": 'p := [semver.compare("1.2.3-rc.1", "1.2.3"), semver.is_valid("v1")]',
    "units": 'p := [units.parse("1.5Ki"), units.parse_bytes("2Gi"), units.parse("100m"), to_number("0x1"), to_number("12")]',
    "graphs": 'p := [graph.reachable({"a": ["b"], "b": ["c"], "c": []}, ["a"]), graph.reachable_paths({"a": ["b"], "b": []}, ["a"])]',
    "bits": "p := [bits.and(6, 3), bits.lsh(1, 70), bits.negate(1)]",
    "schemas": 'p := json.match_schema({"a": 1}, {"properties": {"a": {"type": "string"}}})',
    "tokens": 'p := io.jwt.decode("eyJhbGciOiJub25lIn0.eyJhIjoxfQ.")',
    "modules as data": 'p := rego.parse_module("x.rego", "package x\\nq := 1")["package"]["path"][1].value',
    "interpolation": 'p := $"{input.n} and {input.missing}"',
    "templates": 'p := strings.render_template("{{.a}} {{range .b}}{{.}},{{end}}", {"a": 1, "b": [1, 2]})',
    "containment": 'p := ["a" in ["a"], 1 in {2}, "y", 2 in input.list]',
    "conflict": "p := 1\np := 2 if input.n\n",
    "object conflict": 'p["a"] := 1\np["a"] := 2 if input.n\n',
    "a built-in of the wrong type": 'x := input.n\np := startswith(x, "a")',
    "unicode identifiers of objects": 'p := {"ключ": input.labels["app.kubernetes.io/name"]}',
    "does not compile: unsafe": "p if x",
    "does not compile: types": 'p := 1 + "a"',
    "does not compile: unknown function": "p := nothing(1)",
    "does not compile: recursion": "p if q\nq if p",
    "does not compile: arity": "p := count(1, 2, 3)",
}
V0 = {
    "sets": "p[x] { x := input.list[_] }",
    "objects": 'p[{"msg": m, "details": {"k": k}}] { input.labels[k]; m := sprintf("%v", [k]) }',
    "negation": "p { not input.missing; not input.empty.x }",
    "future keywords": "import future.keywords\np contains x if { some x in input.list; every y in input.list { y > 0 } }",
    "functions": "f(x) = y { y := x * 2 }\np = [y | y := f(input.list[_])]",
    "else": 'p = "a" { input.missing } else = "b" { true }',
    "deprecated": "p { any([true, false]); all([true]) }",
    "set of sets": "p = {s | s := {x | x := input.list[_]}}",
    "input shadowed": "f(input_list) = count(input_list)\np = f(input.list)",
    "does not compile: version 1": "p if { 1 == 1 }",
}


@pytest.fixture
def opa(tmp_path):
    """Runs ``opa eval``; gives the value of data.t.p, ``undefined``, ``error``, or ``refused`` if it does not compile."""
    (tmp_path / "input.json").write_text(json.dumps(INPUT))
    (tmp_path / "data.json").write_text(json.dumps(DATA))

    def run(text, version):
        (tmp_path / "t.rego").write_text(text)
        flags = ["--v0-compatible"] if version == 0 else ["--v1-compatible"]
        files = ["-d", "data.json", "-d", "t.rego", "-i", "input.json"]
        command = [tool("opa"), "eval", *flags, "--format", "json", *files, "data.t.p"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60)
        output = json.loads(done.stdout)
        if "errors" in output:
            return "error" if output["errors"][0]["code"].startswith("eval_") else "refused"
        return output["result"][0]["expressions"][0]["value"] if "result" in output else "undefined"

    return run


def ours(text, version):
    """The same from the library."""
    try:
        rules = compile_rules([Module("t.rego", text, version)], ["data.t.p"], data=json.dumps(DATA).encode())
    except RegoError:
        return "refused"
    ((answer,),) = rules.evaluate([json.dumps(INPUT).encode()], timeout_seconds=30)
    if isinstance(answer, Value):
        return json.loads(bytes(answer.value))
    assert isinstance(answer, Undefined | Failed), answer
    return "undefined" if isinstance(answer, Undefined) else "error"


@pytest.mark.parametrize("name", V1)
def test_a_program_of_version_1_has_the_value_that_opa_gives(opa, name):
    """Value by value, to the last digit."""
    text = f"package t\n{V1[name]}\n"
    expected = opa(text, 1)
    assert ours(text, 1) == expected
    assert (expected == "refused") == name.startswith("does not compile")


@pytest.mark.parametrize("name", V0)
def test_a_program_of_version_0_has_the_value_that_opa_gives(opa, name):
    """As Gatekeeper's templates are mostly written."""
    text = f"package t\n{V0[name]}\n"
    expected = opa(text, 0)
    assert ours(text, 0) == expected
    assert (expected == "refused") == name.startswith("does not compile")


def test_every_built_in_of_opa_is_there():
    """All but the network's, which are there when a host is configured."""
    asked = subprocess.run([tool("opa"), "capabilities", "--current"], capture_output=True, text=True, check=True)
    names = {builtin["name"] for builtin in json.loads(asked.stdout)["builtins"]}
    missing = set()
    for name in names:
        # Nothing takes so many arguments: what is refused is their number, if the function is known.
        with pytest.raises(RegoError) as raised:
            compile_rules([Module("t.rego", f"package t\np := {name}(1, 2, 3, 4, 5, 6, 7, 8, 9)\n")], [])
        if "undefined function" in str(raised.value) or "is off" in str(raised.value):
            missing.add(name)
    assert missing == {"http.send", "net.lookup_ip_addr"}
    text = 'package t\np := http.send({})\nq := net.lookup_ip_addr("a")\n'
    compile_rules([Module("t.rego", text)], [], options=Options(hosts=("opa.example",)))
