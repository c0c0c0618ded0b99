"""Rego means here what it means to `opa`: the same programs, the same values, the same errors at the same places."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.tools import tool

from gateway.native.rego import Answer, Failed, Module, Options, RegoError, Undefined, Value, compile_rules

pytestmark = [pytest.mark.native, pytest.mark.servers]

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
INPUTS = [json.dumps(value).encode() for value in json.loads((HERE / "inputs.json").read_text())]
OFF = {"http.send", "net.lookup_ip_addr"}
"""Built-ins that do not exist here unless hosts are allowed."""
NO_FUNCTIONS = {"internal.print", "internal.test_case", "print"}
"""What the compiler writes itself, and what is a statement."""


def modules() -> list[Module]:
    """The programs: those in ``v0`` and ``v1`` are in that version of the language."""
    return [
        Module(str(path.relative_to(PROGRAMS)), path.read_text(), 0 if path.parent.name == "v0" else 1)
        for path in sorted(PROGRAMS.glob("v*/*.rego"))
    ]


def opa(*arguments: str, stdin: bytes = b"") -> Any:
    """What opa prints, with numbers as they are written."""
    done = subprocess.run([tool("opa"), *arguments], input=stdin, capture_output=True, check=False, timeout=60)
    return json.loads(done.stdout or done.stderr, parse_float=str, parse_int=str)


def written(answer: Answer) -> Any:
    """The value of an answer, with numbers as they are written."""
    assert isinstance(answer, Value), answer
    return json.loads(bytes(answer.value), parse_float=str, parse_int=str)


@pytest.mark.parametrize("index", range(len(INPUTS)))
def test_programs_have_the_values_that_opa_gives_them(index):
    """Programs of both versions, calling each other, give every value that OPA gives, numbers to the digit."""
    expected = opa("eval", "--bundle", str(PROGRAMS), "--stdin-input", "data.programs", stdin=INPUTS[index])
    rules = compile_rules(modules(), ["data.programs"], data=(PROGRAMS / "data.json").read_bytes())

    [[answer]] = rules.evaluate([INPUTS[index]], timeout_seconds=30)

    assert written(answer) == expected["result"][0]["expressions"][0]["value"]


@pytest.mark.parametrize("step", [1, -1])
def test_queries_asked_together_do_not_disturb_each_other(step):
    """Each rule asked by a query of its own, in either order, has the value that it has in the whole document."""
    data = (PROGRAMS / "data.json").read_bytes()
    whole = compile_rules(modules(), ["data.programs"], data=data)
    documents = [written(row[0]) for row in whole.evaluate(INPUTS, timeout_seconds=30)]
    names = sorted({(package, rule) for document in documents for package in document for rule in document[package]})
    names = names[::step]
    each = compile_rules(modules(), [f"data.programs.{package}.{rule}" for package, rule in names], data=data)

    for document, row in zip(documents, each.evaluate(INPUTS, timeout_seconds=30), strict=True):
        found: dict[str, dict[str, Any]] = {package: {} for package in document}
        for (package, rule), answer in zip(names, row, strict=True):
            if answer != Undefined():
                found[package][rule] = written(answer)
        assert found == document


def test_every_builtin_of_opa_can_be_called():
    """All built-in functions of the pinned opa exist, but for those that reach the network, which are refused."""
    builtins = [b for b in opa("capabilities", "--current")["builtins"] if b["name"] not in NO_FUNCTIONS]
    lines = {}
    text = "package everything\n\n"  # version 0: some are deprecated, which is an error in version 1
    for number, builtin in enumerate((b for b in builtins if "infix" not in b), start=3):
        arguments = ", ".join("input.x" for _ in builtin["decl"].get("args", ()))
        text += f"r{number} {{ {builtin['name']}({arguments}) }}\n"
        lines[number] = builtin["name"]
    assert len(lines) > 150

    with pytest.raises(RegoError) as caught:
        compile_rules([Module("everything.rego", text, 0)], ["data.everything"])

    assert {lines[found.line] for found in caught.value.diagnostics} == OFF
    compile_rules([Module("everything.rego", text, 0)], ["data.everything"], options=Options(hosts=("127.0.0.1",)))


WRONG = {
    "unsafe variable": "package p\n\nq := r\n",
    "several errors": "package p\n\nq := r\n\ns if {\n\tt > 1\n}\n\nu := unknown(1)\n",
    "unknown function": "package p\n\nq := nothing.at_all(1)\n",
    "argument count": 'package p\n\nq := upper("a", "b", "c")\n',
    "argument type": "package p\n\nq := upper(1)\n",
    "recursion": "package p\n\nq if r\n\nr if not q\n",
    "rule kinds": "package p\n\nq contains 1\n\nq := 2\n",
    "two defaults": "package p\n\ndefault q := 1\n\ndefault q := 2\n",
    "function arities": "package p\n\nf(x) := x\n\nf(x, y) := x\n",
    "older syntax": "package p\n\nq[x] { x := 1 }\n",
    "unclosed": "package p\n\nq if {\n\tinput.x == 1\n",
    "assigned twice": "package p\n\nq if {\n\tx := 1\n\tx := 2\n}\n",
    "unused some": "package p\n\nq if {\n\tsome x\n\ttrue\n}\n",
    "bad string": 'package p\n\nq := "\\x"\n',
    "with on a rule's function": "package p\n\nq if input.x with nothing as 1\n",
    "shadowed input": "package p\n\nimport data.input as input\n\ninput := 1\n",
    "no package": "q := 1\n",
    "import twice": "package p\n\nimport data.a\nimport data.b.a\n\nq := a\n",
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_are_those_of_opa_at_the_same_place(name, tmp_path):
    """What does not compile is refused with OPA's code, message, line and column, all errors of it."""
    path = tmp_path / "wrong.rego"
    path.write_text(WRONG[name])
    expected = {
        (int(e["location"]["row"]), int(e["location"]["col"]), e["code"], e["message"])
        for e in opa("check", "--format=json", "--max-errors=100", str(path))["errors"]
    }

    with pytest.raises(RegoError) as caught:
        compile_rules([Module(str(path), WRONG[name])], ["data.p"])

    assert {(d.line, d.column, d.code, d.message) for d in caught.value.diagnostics} == expected
    assert {d.path for d in caught.value.diagnostics} == {str(path)}


FAILING = {
    "two values": "package p\n\nq := 1 if input.x\n\nq := 2 if input.x\n",
    "a function with two values": "package p\n\nq := f(1)\n\nf(x) := x if input.x\n\nf(x) := x + 1 if input.x\n",
    "a key with two values": 'package p\n\nq[key] := value if {\n\tsome value in [1, 2]\n\tkey := "k"\n}\n',
}


@pytest.mark.parametrize("name", FAILING)
def test_evaluations_fail_as_in_opa(name, tmp_path):
    """A conflict is a failure with OPA's code, message and place, not a value and not undefined."""
    text = FAILING[name]
    path = tmp_path / "failing.rego"
    path.write_text(text)
    [expected] = opa("eval", "--data", str(path), "--stdin-input", "data.p.q", stdin=b'{"x": true}')["errors"]

    [[answer]] = compile_rules([Module(str(path), text)], ["data.p.q"]).evaluate([b'{"x": true}'], timeout_seconds=30)

    assert isinstance(answer, Failed)
    place = (answer.path, str(answer.line), str(answer.column))
    assert place == tuple(expected["location"][key] for key in ("file", "row", "col"))
    assert (answer.code, answer.message) == (expected["code"], expected["message"])


@pytest.mark.parametrize("text", ['to_number("a")', "1 / 0", 'json.unmarshal("{")', 'regex.match("(", "a")'])
def test_failing_builtins_are_undefined_unless_strict(text, tmp_path):
    """A built-in that fails leaves its rule undefined, and is OPA's error in strict mode."""
    module = Module(str(tmp_path / "builtin.rego"), f"package p\n\nq := {text}\n")
    Path(module.path).write_text(module.text)
    lenient = compile_rules([module], ["data.p.q"])
    strict = compile_rules([module], ["data.p.q"], options=Options(strict_builtins=True))
    [expected] = opa("eval", "--strict-builtin-errors", "--data", module.path, "data.p.q")["errors"]

    assert lenient.evaluate([b"{}"], timeout_seconds=30) == [[Undefined()]]
    [[failed]] = strict.evaluate([b"{}"], timeout_seconds=30)
    assert msgspec.structs.replace(failed, path="", line=0, column=0) == Failed(expected["code"], expected["message"])
    assert str(failed.line) == expected["location"]["row"]
