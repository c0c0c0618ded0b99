"""Rules moved into a package root of their own, so that many sets of them, and other people's, lie side by side in one server.

Pure. Every reference to ``data`` and every package gets one more step behind its root; lines stay what they are. Nothing is
parsed: in Rego a word ``data`` that follows no dot, outside strings and comments, is the root document and nothing else
(no rule, argument or variable may be called so), and ``package`` begins a package. Strings that are templates hold
expressions in braces.

``data.inventory`` is what one process knows of a cluster. It is moved into that process's session, so that processes
share the rules and not what they know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

ENTRY = "govgate_entry"
"""The package, below the root, that names the queries."""
SESSIONS = "govgate_sessions"
"""The base document, below the root, that holds what each process knows."""
SESSION = "govgate_session"
"""Which of them is meant: set at each question."""
INVENTORY = "inventory"
HERE = "govgate_here"
"""How functions begin that show that a module is there."""

_WORD = re.compile(
    r"""\#[^\n]* | `[^`]*` | "(?:\\.|[^"\\\n])*" | \$["`] | [{}]
      | (?<![.\w])package(?P<space>\s+)(?P<first>[A-Za-z_]\w*)
      | (?P<root>(?P<fixed>(?<![.\w])(?:import|with)\s+)?(?<![.\w])data\b(?P<inventory>\.inventory\b)?(?P<on>(?=\.))?)""",
    re.VERBOSE,
)
_LITERAL = {'"': re.compile(r'(?:\\.|[^"\\{])*', re.DOTALL), "`": re.compile(r"(?:\\\{|[^`{])*")}
_PACKAGE = re.compile(r'^[ \t]*package\s+((?:\.?\w+|\["(?:\\.|[^"\\])*"\])+)', re.MULTILINE)


class Mover:
    """Moves modules and queries below ``data.<root>``. ``fixed``: the inventory stays where it is, below the root."""

    def __init__(self, root: str, *, fixed: bool = False) -> None:
        below = f"data.{root}"
        self._root = root
        self._inventory = f"{below}.{INVENTORY}" if fixed else f"{below}.{SESSIONS}[{below}.{SESSION}].{INVENTORY}"

    def move(self, text: str) -> str:
        """The text, moved."""
        parts: list[str] = []
        self._code(text, 0, parts, within=False)
        return "".join(parts)

    def module(self, text: str, number: int) -> str:
        """A module, with a function that the entry refers to: a server keeps neither without the other."""
        return f"{self.move(text)}\n\n{HERE}_{number}(_) := true\n"

    def entry(self, modules: Sequence[str], queries: Sequence[str]) -> str:
        """The module that names each query by its position: ``data.<root>.govgate_entry.answer[i]``.

        ``modules``: moved ones. It compiles only where all of them are.
        """
        packages = (_PACKAGE.search(module) for module in modules)
        there = [f"\tdata.{found[1]}.{HERE}_{n}(1)" for n, found in enumerate(packages) if found is not None]
        lines = [f"package {self._root}.{ENTRY}", "", "import rego.v1", "", "ready := true", ""]
        lines += ["complete if {", *there, "\ttrue", "}", ""]
        lines += [f"answer[{index}] := found if found := {self.move(query)}" for index, query in enumerate(queries)]
        return "\n".join(lines) + "\n"

    def back(self, text: str) -> str:
        """What a server says, with the names as they were."""
        text = text.replace(self._inventory, f"data.{INVENTORY}")
        return text.replace(f"{self._root}.", "").replace(f".{self._root}", "")

    def column(self, moved: str, row: int, col: int) -> int:
        """The column in a moved module, as it was before."""
        lines = moved.split("\n", row)
        before = lines[row - 1][: col - 1] if 0 < row <= len(lines) else ""
        return col - len(before) + len(self.back(before))

    def _code(self, text: str, at: int, parts: list[str], *, within: bool) -> int:
        """Append code from ``at`` on; ``within`` a template, to the brace that ends it. Returns where that was."""
        depth = 0
        while (found := _WORD.search(text, at)) is not None:
            parts.append(text[at : found.start()])
            word, at = found[0], found.end()
            depth += (word == "{") - (word == "}")
            parts.append(self._word(found))
            if within and depth < 0:
                return at
            if word in ('$"', "$`"):
                at = self._template(text, at, word[1], parts)
        parts.append(text[at:])
        return len(text)

    def _word(self, found: re.Match[str]) -> str:
        if found["first"]:
            return f"package{found['space']}{self._root}.{found['first']}"
        if not found["root"]:
            return found[0]
        before = found["fixed"] or ""
        return before + (self._inventory if found["inventory"] else f"data.{self._root}")

    def _template(self, text: str, at: int, quote: str, parts: list[str]) -> int:
        while at < len(text):
            literal = _LITERAL[quote].match(text, at)
            end = literal.end() if literal is not None else at
            parts.append(text[at : end + 1])
            if text[end : end + 1] != "{":
                return end + 1
            at = self._code(text, end + 1, parts, within=True)
        return at


def without_function(module: str) -> str:
    """A module as it was moved, without the function that was added to it."""
    text, added, _ = module.rpartition(f"\n\n{HERE}_")
    return text if added else module


def inventory_is_fixed(text: str) -> bool:
    """Whether a module names the inventory where only a fixed path may stand, may reach it by way of its root, or is it."""
    for found in _WORD.finditer(text):
        if found["first"] == INVENTORY:
            return True
        if found["root"] and (found["fixed"] if found["inventory"] else found["on"] is None):
            return True
    return False


def question(queries: Sequence[int], root: str, session: str) -> str:
    """What asks some of the queries at once: defined only if all that was handed over is there still."""
    below, who = f"data.{root}", json.dumps(session)
    there = f"{below}.{SESSIONS}[{who}]; {below}.{ENTRY}.ready"
    answers = f"{{i: v | i := {json.dumps(list(queries))}[_]; v := {below}.{ENTRY}.answer[i]}}"
    return f"{there}; answers := {answers} with {below}.{SESSION} as {who}"
