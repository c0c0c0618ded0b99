"""Markdown, for a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gateway.ci.report.words import live, place, printable, resource, totals
from gateway.ci.run import Run
from gateway.core.finding import Finding

MAX_ROWS = 200
"""A comment has room for 65,536 characters."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~&@-])")


def report(run: Run) -> str:
    """A heading with the totals, a table of findings, a list of what could not be read or decided."""
    found = list(live(run))
    lines = [f"### govgate: {'denied' if run.denied else 'clean' if not found else 'findings'}", "", totals(run), ""]
    if found:
        lines += ["| | Where | Object | What |", "| --- | --- | --- | --- |"]
        lines += [_row(finding, advised=run.advises) for finding in found[:MAX_ROWS]]
        lines += [f"\n{len(found) - MAX_ROWS} more findings are not listed."] if len(found) > MAX_ROWS else []
        lines.append("")
    lines += [f"- undecided: {markdown_text(f'{d.resource}: {d.rule}: {d.reason}')}" for d in run.doubts[:MAX_ROWS]]
    lines += [f"- not readable: {markdown_text(str(problem))}" for problem in run.problems[:MAX_ROWS]]
    return "\n".join(lines).rstrip("\n") + "\n"


def _row(finding: Finding, *, advised: bool) -> str:
    what = f"{finding.message} [{finding.rule}]"
    what += f" What to do: {finding.remedy}" if advised and finding.remedy else ""
    cells = (finding.action.value, place(finding.location), resource(finding.resource), what)
    return "| " + " | ".join(markdown_text(cell) for cell in cells) + " |"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; what is in the rows is text as it is."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return lines + ["| " + " | ".join(map(markdown_text, row)) + " |" for row in rows]


def markdown_text(text: str) -> str:
    """Text as it is: no markup, no mention of anybody."""
    return _SPECIAL.sub(r"\\\1", printable(text))
