"""The facts that every engine meets: stated once, asked of OPA in this process and of a real ``opa run --server``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.opa import OpaProcess

from gateway.config.opa import Opa
from policies.embedded import EmbeddedOpa
from policies.engine import Answer, Engine, Failed, Module, Rules, RulesError, Undefined, Value
from policies.loading import recognise
from policies.opa_server import OpaServer
from policies.sources import read_sources

pytestmark = [pytest.mark.native, pytest.mark.servers]

PROGRAMS = Path(__file__).parents[1] / "native/programs"
SECONDS = 30.0


@pytest.fixture(params=["embedded", "server"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "embedded":
        return EmbeddedOpa()
    return OpaServer(Opa(url=request.getfixturevalue("opa").url))


@contextlib.asynccontextmanager
async def loaded(
    engine: Engine, modules: Mapping[str, str], queries: Sequence[str], data: Mapping[str, Any] | None = None
) -> AsyncIterator[Rules]:
    rules = await engine.load([Module(path, text) for path, text in modules.items()], queries, data or {})
    try:
        yield rules
    finally:
        await rules.close()


async def ask(rules: Rules, document: Any, count: int, *, seconds: float = SECONDS) -> list[Answer]:
    """All queries about one input; asked one by one, and about several inputs at once, the answers are the same."""
    encoded = document if isinstance(document, bytes) else json.dumps(document).encode()
    everything = tuple(range(count))
    answers = await rules.ask(encoded, everything, timeout_seconds=seconds)
    assert [(await rules.ask(encoded, [one], timeout_seconds=seconds))[0] for one in everything] == answers
    assert await rules.ask_all([encoded] * 3, everything, timeout_seconds=seconds) == [answers] * 3
    return answers


async def test_what_is_undefined_is_no_value(engine: Engine) -> None:
    """False, null, an empty set and undefined are four answers; a document of no rules is undefined."""
    text = "package p\n\na := false\n\nb := null\n\nc contains 1 if input.never\n\nd if input.never\n"
    queries = ["data.p.a", "data.p.b", "data.p.c", "data.p.d", "data.nothing.here", "input.x"]

    async with loaded(engine, {"p.rego": text}, queries) as rules:
        answers = await ask(rules, {}, len(queries))

    assert answers == [Value(False), Value(None), Value([]), Undefined(), Undefined(), Undefined()]


async def test_any_json_is_an_input(engine: Engine) -> None:
    """Rules get the input as it is, empty ones too."""
    async with loaded(engine, {"p.rego": "package p\n\nwhole := input\n"}, ["data.p.whole"]) as rules:
        for document in ({}, [], False, 0, "", "text", [1, {}], {"input": {"review": 1}}):
            assert await ask(rules, document, 1) == [Value(document)]


async def test_what_is_no_json_is_a_failure(engine: Engine) -> None:
    """An input that is no JSON fails, and cannot say more than an input may."""
    async with loaded(engine, {"p.rego": "package p\n\nq := 1\n"}, ["data.p.q"]) as rules:
        for document in (b"", b"{", b'{}, "query": "x := 1"', b"\xff"):
            [answer] = await rules.ask(document, [0], timeout_seconds=SECONDS)
            assert isinstance(answer, Failed)
            assert answer.code == "input"


async def test_numbers_and_texts_are_kept(engine: Engine) -> None:
    """Integers beyond 2^53, and beyond 64 bits, and texts of any script go in and come out the same."""
    document = {"n": 9007199254740993, "m": 2**70 + 1, "s": "aé\u2028<&>漢字\U0001f600\x00", "漢": {"é": [1.5, -0.25]}}
    text = 'package p\n\nwhole := input\n\nnext := input.n + 1\n\nthere := input["漢"]["é"][0] == 1.5\n\nsaid := sprintf("%d é", [input.m])\n'
    queries = ["data.p.whole", "data.p.next", "data.p.there", "data.p.said"]

    async with loaded(engine, {"p.rego": text}, queries) as rules:
        answers = await ask(rules, document, len(queries))

    assert answers == [Value(document), Value(9007199254740994), Value(True), Value(f"{2**70 + 1} é")]


async def test_a_number_that_no_float_is_costs_no_other_rule_its_answer(engine: Engine) -> None:
    """JSON can say 1e400, which cannot be read: a failure of that rule."""
    async with loaded(engine, {"p.rego": "package p\n\nq := [1e400]\n\nr := 1\n"}, ["data.p.q", "data.p.r"]) as rules:
        huge, other = await ask(rules, {}, 2)

    assert isinstance(huge, Failed)
    assert huge.code == "result"
    assert other == Value(1)


async def test_a_rule_that_fails_costs_no_other_its_answer(engine: Engine) -> None:
    """A conflict is a failure with OPA's code and the rule's place; what is asked with it is answered."""
    text = "package p\n\nq := 1 if input.x\n\nq := 2 if input.x\n\nfine contains 1\n"

    async with loaded(engine, {"some/p.rego": text}, ["data.p.fine", "data.p.q", "data.p.none"]) as rules:
        fine, failed, none = await ask(rules, {"x": True}, 3)

    assert (fine, none) == (Value([1]), Undefined())
    assert isinstance(failed, Failed)
    assert failed.code == "eval_conflict_error"
    assert failed.message.startswith("some/p.rego:")
    assert "govgate" not in failed.message


async def test_builtins_that_fail_leave_their_rule_undefined(engine: Engine) -> None:
    """As in OPA, a built-in function that fails is no error."""
    texts = ('to_number("a")', "1 / 0", 'json.unmarshal("{")', 'regex.match("(", "a")')
    module = "package p\n\n" + "".join(f"q{number} := {text}\n" for number, text in enumerate(texts))

    async with loaded(engine, {"p.rego": module}, [f"data.p.q{number}" for number in range(len(texts))]) as rules:
        assert await ask(rules, {}, len(texts)) == [Undefined()] * len(texts)


async def test_an_evaluation_that_does_not_end_is_answered(engine: Engine) -> None:
    """At its deadline there is an answer, which says so; another evaluation is answered as ever."""
    text = (
        "package p\n\nq := count([1 | some i in numbers.range(1, 3000); some j in numbers.range(1, 3000)])\n\nr := 1\n"
    )

    async with loaded(engine, {"p.rego": text}, ["data.p.q", "data.p.r"]) as rules:
        [slow] = await rules.ask(b"{}", [0], timeout_seconds=0.2)
        [quick] = await rules.ask(b"{}", [1], timeout_seconds=SECONDS)

    assert isinstance(slow, Failed)
    assert slow.code == "deadline"
    assert quick == Value(1)


async def test_large_inputs_and_what_is_too_large_to_return(engine: Engine) -> None:
    """Three megabytes are an input like any other; a result beyond four is a failure."""
    document = {"items": [{"name": f"item-{n}", "pad": "x" * 1000} for n in range(3000)]}
    text = 'package p\n\nn := count(input.items)\n\nbig := [concat("", [input.pad, sprintf("%d", [i])]) | some i in numbers.range(1, 5000)]\n'

    async with loaded(engine, {"p.rego": text}, ["data.p.n", "data.p.big"]) as rules:
        assert await rules.ask(json.dumps(document).encode(), [0], timeout_seconds=SECONDS) == [Value(3000)]
        count, failed = await rules.ask(
            json.dumps({"pad": "x" * 1000, "items": []}).encode(), [0, 1], timeout_seconds=SECONDS
        )

    assert count == Value(0)
    assert isinstance(failed, Failed)
    assert failed.code == "result_too_large"


async def test_parameters_are_bound_by_the_query(engine: Engine) -> None:
    """``with`` binds an input's member to a base document, for that query alone."""
    text = "package p\n\nq := [input.parameters, input.x]\n"
    data = {"govgate": {"parameters": {"a/b": {"max": 3, "list": ["é"]}}}}
    bound = 'data.p.q with input.parameters as data.govgate.parameters["a/b"]'

    async with loaded(engine, {"p.rego": text}, [bound, "data.p.q"], data) as rules:
        answers = await ask(rules, {"x": 1}, 2)

    assert answers == [Value([{"max": 3, "list": ["é"]}, 1]), Undefined()]


INVENTORY = """package p

names contains name if some name, _ in data.inventory.namespace[input.ns]["networking.k8s.io/v1"].Ingress

cluster contains name if some name, _ in data.inventory.cluster.v1.Node

all := data.inventory
"""
FIXED = INVENTORY.replace("package p\n", "package p\n\nimport data.inventory as known\n\nimported := known.cluster\n")


@pytest.mark.parametrize("text", [INVENTORY, FIXED], ids=["referred to", "imported"])
async def test_the_inventory_can_be_changed(engine: Engine, text: str) -> None:
    """What is put below ``data.inventory`` is seen at the next question, whatever its names are; so is what is removed."""
    queries = ["data.p.names", "data.p.cluster", "data.p.all"]
    ingress = ["inventory", "namespace", "a", "networking.k8s.io/v1", "Ingress"]

    start = {"cluster": {"v1": {"Node": {"first": {}}}}}
    async with loaded(engine, {"p.rego": text}, queries, {"inventory": start}) as rules:
        assert await ask(rules, {"ns": "a"}, 3) == [Value([]), Value(["first"]), Value(start)]
        await rules.put_data(["inventory"], None)
        assert await ask(rules, {"ns": "a"}, 3) == [Value([]), Value([]), Undefined()]
        await rules.put_data(ingress, {"x": {"k": 1}, "y": {}})
        await rules.put_data(["inventory", "cluster", "v1", "Node", "odd/na~me%2Fé"], {"k": 9007199254740993})
        found = await ask(rules, {"ns": "a"}, 3)
        await rules.put_data([*ingress, "x"], None)
        await rules.put_data([*ingress, "never there"], None)
        await rules.put_data(["inventory", "never", "there"], None)
        without = await ask(rules, {"ns": "a"}, 3)
        await rules.put_data(["inventory"], {"cluster": {"v1": {"Node": {"other": {}}}}})
        replaced = await ask(rules, {"ns": "a"}, 3)

    assert found[:2] == [Value(["x", "y"]), Value(["odd/na~me%2Fé"])]
    assert found[2].value["cluster"]["v1"]["Node"] == {"odd/na~me%2Fé": {"k": 9007199254740993}}  # type: ignore[union-attr]
    assert without[:2] == [Value(["y"]), Value(["odd/na~me%2Fé"])]
    assert replaced == [Value([]), Value(["other"]), Value({"cluster": {"v1": {"Node": {"other": {}}}}})]


async def test_a_package_may_be_called_inventory(engine: Engine) -> None:
    """Rules there are found where they are referred to."""
    modules = {"i.rego": "package inventory.own\n\nx := 1\n", "p.rego": "package p\n\nq := data.inventory.own.x\n"}

    async with loaded(engine, modules, ["data.p.q"]) as rules:
        assert await ask(rules, {}, 1) == [Value(1)]


async def test_rules_are_apart_from_each_other(engine: Engine) -> None:
    """Two sets of rules with one package, loaded one beside the other, have each their own answers and inventory."""
    first, second = ({"p.rego": f"package p\n\nq := [{n}, data.inventory.x]\n"} for n in (1, 2))

    async with loaded(engine, first, ["data.p.q"]) as one, loaded(engine, second, ["data.p.q"]) as other:
        await one.put_data(["inventory"], {"x": "one's"})
        await other.put_data(["inventory"], {"x": "other's"})
        async with loaded(engine, first, ["data.p.q"]) as same:
            assert await ask(same, {}, 1) == [Undefined()]
            assert await ask(one, {}, 1) == [Value([1, "one's"])]
        assert await ask(one, {}, 1) == [Value([1, "one's"])]
        assert await ask(other, {}, 1) == [Value([2, "other's"])]


async def test_managed_fields_are_left_out_where_they_are_not_read(engine: Engine) -> None:
    """A lean review's objects are without managed fields; everything else of it is there, to the digit."""
    item = {
        "metadata": {"name": "x", "managedFields": [{"manager": "m"}]},
        "spec": {"n": 9007199254740993, "managedFields": 1},
    }
    review = {"review": {"object": item, "oldObject": None, "managedFields": 2}}
    lean = {"metadata": {"name": "x"}, "spec": item["spec"]}

    async with loaded(engine, {"p.rego": "package p\n\nq := input\n"}, ["data.p.q"]) as rules:
        document = json.dumps(review).encode()
        [full] = await rules.ask(document, [0], timeout_seconds=SECONDS)
        [less] = await rules.ask(document, [0], timeout_seconds=SECONDS, lean=True)

    assert full == Value(review)
    assert less == Value({"review": {**review["review"], "object": lean}})


# A server takes one version of Rego: this stands in for the module in the older one that the programs call.
OLDER = "package programs.older\n\nlabel(x) := x.name\n\nnames contains input.subject\n"
PROGRAM_NAMES = [path.stem for path in sorted(PROGRAMS.glob("v1/*.rego"))]


async def test_programs_have_equal_values_in_both(opa: OpaProcess) -> None:
    """Every rule of the programs, of every sort of expression, has one value, wherever it is evaluated."""
    modules = {str(path.relative_to(PROGRAMS)): path.read_text() for path in sorted(PROGRAMS.glob("v1/*.rego"))}
    modules["older.rego"] = OLDER
    data = json.loads((PROGRAMS / "data.json").read_text())
    values = json.loads((PROGRAMS.parent / "inputs.json").read_text())
    # To a server an input of null is none; no rule has such a one.
    inputs = [json.dumps(value).encode() for value in values if value is not None]
    queries = [f"data.programs.{name}" for name in PROGRAM_NAMES]

    async with (
        loaded(EmbeddedOpa(), modules, queries, data) as here,
        loaded(OpaServer(Opa(url=opa.url)), modules, queries, data) as there,
    ):
        everything = tuple(range(len(queries)))
        expected = await here.ask_all(inputs, everything, timeout_seconds=SECONDS)
        assert await there.ask_all(inputs, everything, timeout_seconds=SECONDS) == expected
        assert [there.references(query) for query in everything] == [here.references(query) for query in everything]


WRONG = {
    "unsafe variable": "package p\n\nq := r + data.x\n",
    "several errors": "package p\n\nq := r\n\ns if {\n\tt > 1\n}\n",
    "unknown function": "package p\n\nq if data.inventory.x == 1; nothing.at_all(1)\n",
    "argument type": "package p\n\nq := [data.a.b, upper(1)]\n",
    "recursion": "package p\n\nq if data.p.r\n\nr if not data.p.q\n",
    "unclosed": "package p\n\nq if {\n\tinput.x == 1\n",
    "older syntax": "package p\n\nq[x] { x := 1 }\n",
}


async def test_what_does_not_compile_is_refused_at_its_place(engine: Engine) -> None:
    """All of it is refused, with OPA's errors at the lines and columns of the file; the messages know no other names."""
    for name, text in WRONG.items():
        with pytest.raises(RulesError) as caught:
            await engine.load([Module("some/p.rego", text), Module("fine.rego", "package f\n")], ["data.p.q"], {})
        with pytest.raises(RulesError) as here:
            await EmbeddedOpa().load([Module("some/p.rego", text)], ["data.p.q"], {})

        assert set(caught.value.diagnostics) == set(here.value.diagnostics), name


async def test_built_in_rules_are_known_to_read_the_same(opa: OpaProcess) -> None:
    """What each built-in rule needs to know, which makes it undecided where that is unknown, is found in both engines."""
    found = recognise(read_sources(["builtin:network"]))
    queries = [rule.query for rule in found.rules]
    here = await EmbeddedOpa().load(found.modules, queries, {})
    there = await OpaServer(Opa(url=opa.url)).load(found.modules, queries, {})
    try:
        assert [there.references(q) for q in range(len(queries))] == [here.references(q) for q in range(len(queries))]
        assert any("data.inventory" in name for q in range(len(queries)) for name in there.references(q) or ())
    finally:
        await here.close()
        await there.close()
