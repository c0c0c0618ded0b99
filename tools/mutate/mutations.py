"""The ways to switch off one rule or condition of a module, as changed syntax trees."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Mutant(NamedTuple):
    """One change of one source file. ``name`` says where and what, for people and for the list of known ones."""

    path: Path
    line: int
    name: str
    tree: ast.Module


class _Change(NamedTuple):
    """What is done to a node, by replacing some of its attributes."""

    what: str
    attributes: dict[str, object]


_OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
}
_EFFECTS = (ast.AugAssign, ast.Continue, ast.Raise, ast.Delete)


def mutants(path: Path) -> Iterator[Mutant]:
    """Every mutant of a source file, in the order of its syntax tree."""
    text = path.read_text(encoding="utf-8")
    tree, lines = ast.parse(text), text.splitlines()
    tables = {
        id(inner) for outer in tree.body if isinstance(outer, ast.Assign | ast.AnnAssign) for inner in ast.walk(outer)
    }
    skipped = {id(inner) for node in ast.walk(tree) for outer in _skipped(node) for inner in ast.walk(outer)}
    for place, node in enumerate(ast.walk(tree)):
        if id(node) in skipped:
            continue
        in_table = id(node) in tables
        for number, change in enumerate(_changes(node, in_table=in_table)):
            changed = copy.deepcopy(tree)
            target = next(other for at, other in enumerate(ast.walk(changed)) if at == place)
            again = list(_changes(target, in_table=in_table))[number]
            for attribute, value in again.attributes.items():
                setattr(target, attribute, value)
            line = next((inner.lineno for inner in ast.walk(node) if hasattr(inner, "lineno")), 1)
            name = f"{path.stem}: {change.what}: {lines[line - 1].strip()}"
            yield Mutant(path, line, name, ast.fix_missing_locations(changed))


def _changes(node: ast.AST, *, in_table: bool) -> Iterator[_Change]:
    if isinstance(node, ast.If | ast.IfExp):
        yield _Change("always", {"test": ast.Constant(True)})
        yield _Change("never", {"test": ast.Constant(False)})
    elif isinstance(node, ast.comprehension):
        for at in range(len(node.ifs)):
            yield _Change(f"filter {at} dropped", {"ifs": _left_out(node.ifs, at)})
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield _Change("turned round", {"ops": [_OPPOSITES[type(node.ops[0])]()]})
    elif isinstance(node, ast.BoolOp):
        for at in range(len(node.values)):
            yield _Change(f"operand {at} dropped", {"values": _left_out(node.values, at)})
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield _Change("not dropped", {"operand": ast.UnaryOp(ast.Not(), node.operand)})
    if in_table:
        yield from _rows(node)
    yield from _statements(node)


def _rows(node: ast.AST) -> Iterator[_Change]:
    """Of tables and lists, each row left out."""
    if (isinstance(node, ast.Tuple | ast.List) and isinstance(node.ctx, ast.Load)) or isinstance(node, ast.Set):
        for at in range(len(node.elts)):
            yield _Change(f"row {at} dropped", {"elts": _left_out(node.elts, at)})
    elif isinstance(node, ast.Dict):
        for at in range(len(node.keys)):
            yield _Change(f"row {at} dropped", {"keys": _left_out(node.keys, at), "values": _left_out(node.values, at)})


def _statements(node: ast.AST) -> Iterator[_Change]:
    """Of blocks, each statement that is there for its effect left out."""
    for block in ("body", "orelse"):
        statements = getattr(node, block, None)
        if not isinstance(statements, list):
            continue
        for at, statement in enumerate(statements):
            called = isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant)
            if called or isinstance(statement, _EFFECTS):
                left = [*statements[:at], ast.Pass(), *statements[at + 1 :]]
                yield _Change(f"{block} {at} dropped", {block: left})


def _left_out(items: list[Any], at: int) -> list[Any]:
    return items[:at] + items[at + 1 :]


def _skipped(node: ast.AST) -> list[ast.AST]:
    """What is not changed: annotations, and the outermost comparison of a test, which is made true and false anyway."""
    found = [getattr(node, "annotation", None), getattr(node, "returns", None)]
    if isinstance(node, ast.If | ast.IfExp):
        test = node.test.operand if isinstance(node.test, ast.UnaryOp) else node.test
        found += [test] if isinstance(test, ast.Compare) else []
    return [outer for outer in found if isinstance(outer, ast.AST)]
