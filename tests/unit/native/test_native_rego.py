"""Rego in process: compilation, values, data, and what the rules may not do."""

from __future__ import annotations

import gc
import json

import pytest

from gateway.native.library import NativeError
from gateway.native.rego import (
    Diagnostic,
    Failed,
    Module,
    Options,
    RegoError,
    TimedOut,
    Undefined,
    Value,
    compile_rules,
)

pytestmark = pytest.mark.native

V1 = Module("v1.rego", 'package v1\nimport data.lib.f\ndeny contains "one" if { some x in input.xs; f(x) > 1 }\n')
LIB = Module("lib.rego", "package lib\nf(x) := x + 1\n")
V0 = Module("v0.rego", 'package v0\nviolation[{"msg": m}] { input.xs[_] == 1; m := "v0" }\n', 0)


def plain(answer):
    """The Python value of an answer that has one."""
    assert isinstance(answer, Value), answer
    return json.loads(bytes(answer.value))


def ask(text, query="data.t.p", document=b"{}", version=1, **options):
    """The answer of one query over one module."""
    header = "package t\n"
    rules = compile_rules([Module("t.rego", header + text, version)], [query], options=Options(**options))
    return rules.evaluate([document], timeout_seconds=10)[0][0]


def refusal(*modules, queries=("data.t.p",), options=None):
    """The diagnostics of rules that do not compile."""
    with pytest.raises(RegoError) as raised:
        compile_rules(modules, queries, options=options)
    assert str(raised.value) == "\n".join(map(str, raised.value.diagnostics))
    return raised.value.diagnostics


def test_modules_of_both_versions_stand_side_by_side():
    """Each module is read in the version of the language that it states."""
    rules = compile_rules([V0, V1, LIB], ["data.v0.violation", "data.v1.deny"])
    (row,) = rules.evaluate([b'{"xs": [1]}'], timeout_seconds=10)
    assert [plain(answer) for answer in row] == [[{"msg": "v0"}], ["one"]]


def test_answers_come_in_the_order_of_inputs_and_queries():
    """Row by input, column by query, as asked; a query may be asked alone or twice."""
    rules = compile_rules([Module("t.rego", "package t\na := input.x\nb := input.x * 10\n")], ["data.t.a", "data.t.b"])
    inputs = [json.dumps({"x": number}).encode() for number in range(50)]
    rows = rules.evaluate(inputs, [1, 0, 1], timeout_seconds=10)
    assert [[plain(answer) for answer in row] for row in rows] == [[n * 10, n, n * 10] for n in range(50)]
    assert rules.evaluate([], timeout_seconds=10) == []
    assert rules.evaluate([b"{}", b"{"], [], timeout_seconds=10) == [[], []]


def test_no_query_and_no_input_are_no_answer():
    """Nothing asked is nothing answered, not an error: a review to which no rule applies."""
    rules = compile_rules([Module("t.rego", "package t\np := 1")], ["data.t.p"])
    assert rules.evaluate([b"{}", b"{}"], [], timeout_seconds=5) == [[], []]
    assert rules.evaluate([], timeout_seconds=5) == []


def test_undefined_is_neither_false_nor_null():
    """Undefined, false and null are three answers."""
    assert ask("p if input.missing") == Undefined()
    assert plain(ask("p := false")) is False
    assert plain(ask("p := null")) is None


def test_numbers_keep_all_their_digits():
    """An integer beyond 2^53 passes through unchanged."""
    assert plain(ask("p := input.n", document=b'{"n": 9007199254740993}')) == 9007199254740993


def test_an_input_that_is_not_json_is_a_failure_of_that_input_alone():
    """The other inputs of the call are judged."""
    rules = compile_rules([Module("t.rego", "package t\np := input.x\n")], ["data.t.p"])
    rows = rules.evaluate([b"{", b'{"x": 1}', b'{"x": 1} 2'], timeout_seconds=10)
    assert [type(row[0]) for row in rows] == [Failed, Value, Failed]
    assert rows[0][0].code == "input"


def test_a_query_may_replace_parts_of_the_input_and_says_nothing_to_the_next():
    """Queries share what they found out, but not across ``with``."""
    text = "package t\np contains input.parameters.x\nq contains x if some x in p\n"
    queries = [
        "data.t.q",
        "data.t.q with input.parameters as data.c.one",
        "data.t.q with input.parameters as data.c.two",
    ]
    rules = compile_rules([Module("t.rego", text)], queries, data=b'{"c": {"one": {"x": 1}, "two": {"x": 2}}}')
    (row,) = rules.evaluate([b'{"parameters": {"x": 0}}'], [0, 1, 2, 0], timeout_seconds=10)
    assert [plain(answer) for answer in row] == [[0], [1], [2], [0]]


def test_conflicting_values_are_a_failure_with_a_place():
    """An evaluation error names the file and line of the rule."""
    answer = ask('p := "a" if input.x\np := "b" if input.x', document=b'{"x": 1}')
    assert isinstance(answer, Failed)
    assert (answer.code, answer.path) == ("eval_conflict_error", "t.rego")
    assert answer.line in {2, 3}


def test_a_failing_built_in_is_undefined_unless_strict():
    """The default is OPA's and Gatekeeper's: the expression is undefined. ``strict_builtins`` makes it a failure."""
    assert ask('p if to_number("x") == 1') == Undefined()
    answer = ask('p if to_number("x") == 1', strict_builtins=True)
    assert isinstance(answer, Failed)
    assert answer.code == "eval_builtin_error"


def test_strict_failures_are_told_by_every_query_that_meets_them():
    """A query does not inherit the undefined of an earlier one whose built-in failed."""
    rules = compile_rules(
        [Module("t.rego", "package t\nq := to_number(input.s)\np if q == 1\nr if q == 2\n")],
        ["data.t.p", "data.t.r"],
        options=Options(strict_builtins=True),
    )
    (row,) = rules.evaluate([b'{"s": "x"}'], timeout_seconds=10)
    assert [type(answer) for answer in row] == [Failed, Failed]


def test_a_result_beyond_the_limit_is_a_failure():
    """The size is counted in bytes of JSON."""
    assert plain(ask('p := "123456"', max_result_bytes=8)) == "123456"
    answer = ask('p := "1234567"', max_result_bytes=8)
    assert isinstance(answer, Failed)
    assert answer.code == "result_too_large"


def test_a_query_with_several_results_is_a_failure():
    """None of them is taken for the answer."""
    answer = ask("p := 1", query="data.xs[_]")
    assert answer == Undefined()
    rules = compile_rules([], ["data.xs[_]"], data=b'{"xs": [1, 2]}')
    assert rules.evaluate([b"{}"], timeout_seconds=10)[0][0].code == "several_results"


def test_all_that_is_wrong_is_reported_in_the_order_of_the_files():
    """Every module that cannot be read is named, with line and column."""
    found = refusal(Module("b.rego", "package b\np if {"), Module("a.rego", "package a\n\nq := := 1\n"))
    places = [(d.path, d.line) for d in found]
    assert (places, set(places)) == (sorted(places), {("a.rego", 3), ("b.rego", 2)})
    assert all(isinstance(d, Diagnostic) and d.column and d.code == "rego_parse_error" for d in found)


def test_unsafe_variables_conflicts_and_recursion_are_refused():
    """What only the compiler sees has file and line too."""
    assert refusal(Module("t.rego", "package t\np if x == y\n"))[0].code == "rego_unsafe_var_error"
    assert refusal(Module("t.rego", "package t\np if p\n"))[0].code == "rego_recursion_error"
    found = refusal(Module("a.rego", "package t\np := 1\n"), Module("b.rego", "package t\np(x) := x\n"))
    assert "conflicting rules" in found[0].message


def test_two_modules_of_one_path_are_refused():
    """Neither silently replaces the other."""
    assert "two modules" in refusal(LIB, LIB)[0].message


def test_version_0_syntax_is_refused_in_a_module_of_version_1():
    """A module is never read in a version that it does not state."""
    assert "`if` keyword" in refusal(Module("t.rego", "package t\np { true }\n"))[0].message


def test_a_wrong_query_is_refused_by_its_number():
    """Queries are compiled with the rules; a wrong one is not found out at the first request."""
    assert refusal(LIB, queries=("data.lib", "data.lib["))[0].path == "query 2"
    assert "one expression" in refusal(LIB, queries=("true; false",))[0].message


def test_rules_and_data_at_one_path_are_refused():
    """Data that a rule would hide does not load; nor can it be put there later."""
    with pytest.raises(RegoError, match="conflict"):
        compile_rules([LIB], [], data=b'{"lib": {"f": 1}}')
    rules = compile_rules([LIB], [])
    with pytest.raises(NativeError, match="belongs to rules"):
        rules.put_data(["lib", "f"], b"1")


@pytest.mark.parametrize(
    "call", ['http.send({"method": "GET", "url": "http://127.0.0.1:1"})', 'net.lookup_ip_addr("a")']
)
def test_rules_that_would_reach_the_network_do_not_load(call):
    """The refusal says why, and where; neither ``with`` nor a query is a way around."""
    (found,) = refusal(Module("t.rego", f"package t\n\np if {call}\n"))
    assert (found.line, "is off" in found.message) == (3, True)
    assert refusal(Module("t.rego", f"package t\np if count([]) == 0 with count as {call.partition('(')[0]}\n"))
    assert refusal(queries=(call,))


def test_a_host_that_is_not_named_is_not_reached():
    """With hosts configured the built-ins exist, for those hosts alone."""
    text = 'p := http.send({"method": "GET", "url": "http://127.0.0.1:1/"})'
    answer = ask(text, hosts=("opa.example",), strict_builtins=True)
    assert isinstance(answer, Failed)
    assert "disallowed host" in answer.message


def test_opa_runtime_tells_nothing():
    """No environment variable, no configuration."""
    assert plain(ask("p := opa.runtime()")) == {}


@pytest.mark.parametrize(
    "reference", ["file:///etc/passwd", "FILE:///etc/passwd", "http://127.0.0.1:1/x", "https://localhost/x"]
)
@pytest.mark.parametrize("as_text", [False, True])
def test_a_json_schema_reaches_neither_files_nor_the_network(reference, as_text):
    """A schema, from a rule or from the input, cannot make the gateway read anything."""
    schema = {"properties": {"a": {"$ref": reference}}}
    document = json.dumps({"schema": json.dumps(schema) if as_text else schema}).encode()
    for call in ("json.match_schema({}, input.schema)", "json.verify_schema(input.schema)"):
        answer = ask(f"p := {call}", document=document, strict_builtins=True)
        if isinstance(answer, Failed):
            assert "files" in answer.message or "remote reference loading disabled" in answer.message
        else:
            assert plain(answer)[0] is False


def test_a_schema_annotation_reaches_no_file():
    """Nor does METADATA, which is read when rules are compiled."""
    text = "# METADATA\n# schemas:\n# - input: {$ref: 'file:///etc/passwd'}\npackage t\np := input.x\n"
    assert "files" in refusal(Module("t.rego", text))[0].message


def test_print_and_trace_write_nothing(capfd):
    """Standard output belongs to the program."""
    assert plain(ask('p := 1 if { print("hello", input); trace("hello") }')) == 1
    assert capfd.readouterr() == ("", "")


def test_data_is_replaced_and_removed_as_a_whole():
    """Objects on the way are made; what is beside them stays."""
    rules = compile_rules([], ["data.inventory"], data=b'{"inventory": {"cluster": {"a": 1}}}')

    def inventory():
        return plain(rules.evaluate([b"{}"], timeout_seconds=10)[0][0])

    rules.put_data(["inventory", "namespace", "default", "v1"], b'{"Pod": {}}')
    assert inventory() == {"cluster": {"a": 1}, "namespace": {"default": {"v1": {"Pod": {}}}}}
    rules.put_data(["inventory", "cluster"], b"[2]")
    rules.put_data(["inventory", "namespace", "default", "v1"], None)
    rules.put_data(["inventory", "never", "there"], None)
    assert inventory() == {"cluster": [2], "namespace": {"default": {}}}
    with pytest.raises(NativeError, match="JSON"):
        rules.put_data(["inventory"], b"{")
    with pytest.raises(NativeError, match="not an object"):
        rules.put_data(["inventory", "cluster", "x"], b"1")
    with pytest.raises(NativeError, match="object"):
        rules.put_data([], b"1")


def test_data_that_is_not_an_object_is_refused():
    """The root of data is an object."""
    with pytest.raises(NativeError, match="object"):
        compile_rules([], [], data=b"[]")


def test_references_name_everything_that_a_query_may_read():
    """Through functions, else branches, comprehensions and other packages; constant as far as it is constant."""
    text = (
        "package t\nimport data.lib\n"
        "p if lib.g(input.review.object)\n"
        "p if { not input.a.b } else := false if { input.c[input.key].d }\n"
        "q := [x | some x in data.inventory.namespace[input.ns]]\n"
        "whole := json.marshal(input)\n"
    )
    helper = Module("lib.rego", "package lib\ng(x) if { x.y; input.review.userInfo.username }\nunused := input.never\n")
    queries = ["data.t.p", "data.t.q", "data.t.whole", "data.t.p with input.a as data.parameters.one"]
    rules = compile_rules([Module("t.rego", text), helper], queries)
    assert rules.references(0) == {
        "input.review.object",
        "input.review.userInfo.username",
        "input.a.b",
        "input.c",
        "input.key",
    }
    assert rules.references(1) == {"data.inventory.namespace", "input.ns"}
    assert rules.references(2) == {"input"}
    assert "data.parameters.one" in rules.references(3)
    with pytest.raises(NativeError, match="no query 4"):
        rules.references(4)


def test_a_query_that_reads_nothing_has_no_references():
    """A constant depends on neither input nor data."""
    assert compile_rules([], ["1"]).references(0) == frozenset()


def test_a_query_for_a_package_reads_what_its_rules_read_and_the_data_beside_them():
    """A reference above rules covers rules and base documents."""
    rules = compile_rules([Module("t.rego", "package t.u\np := input.x\n")], ["data.t"])
    assert rules.references(0) == {"data.t", "input.x"}


def test_annotations_come_with_path_and_place():
    """METADATA of packages and rules, custom fields included."""
    text = "# METADATA\n# title: T\n# custom: {id: a/b}\npackage t\n\n# METADATA\n# title: P\np := 1\n"
    found = compile_rules([Module("t.rego", text)], []).annotations()
    assert [(a["path"], a["file"], a["annotations"]["title"]) for a in found] == [
        ("data.t", "t.rego", "T"),
        ("data.t.p", "t.rego", "P"),
    ]
    assert found[0]["annotations"]["custom"] == {"id": "a/b"}


def test_a_closed_rule_set_answers_with_an_error():
    """Closing twice is allowed; using it is not."""
    rules = compile_rules([LIB], ["data.lib"])
    rules.close()
    rules.close()
    for use in (
        lambda: rules.evaluate([b"{}"], timeout_seconds=1),
        lambda: rules.references(0),
        rules.annotations,
        lambda: rules.put_data(["a"], b"1"),
    ):
        with pytest.raises(NativeError) as raised:
            use()
        assert raised.value.code == "bad_handle"


def test_a_query_that_does_not_exist_is_an_error():
    """Numbers are checked, negative ones too."""
    rules = compile_rules([LIB], ["data.lib"])
    for number in (-1, 1):
        with pytest.raises(NativeError, match="no query"):
            rules.evaluate([b"{}"], [number], timeout_seconds=1)


def test_a_rule_set_that_nobody_holds_is_freed():
    """Its handle is closed with the last reference."""
    rules = compile_rules([LIB], ["data.lib"])
    close = rules.close
    del rules
    gc.collect()
    assert not close.alive


async def test_an_event_loop_gets_the_same_answers():
    """``ask`` is ``evaluate`` for one input."""
    rules = compile_rules([V0, V1, LIB], ["data.v0.violation", "data.v1.deny"])
    answers = await rules.ask(b'{"xs": [1]}', timeout_seconds=10)
    assert [plain(answer) for answer in answers] == [[{"msg": "v0"}], ["one"]]
    assert [plain(answer) for answer in await rules.ask(b'{"xs": [1]}', [1], timeout_seconds=10)] == [["one"]]
    rules.close()
    with pytest.raises(NativeError):
        await rules.ask(b"{}", timeout_seconds=10)


def test_no_time_is_a_timeout_not_a_pass():
    """What was not decided says so."""
    rules = compile_rules([V1, LIB], ["data.v1.deny"])
    assert rules.evaluate([b"{}"], timeout_seconds=0) == [[TimedOut()]]
