"""Reports of a run, a module for each format, chosen by a table. Names and messages come from files: each module writes
them so that they can not be taken for anything but text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from gateway.ci.report import codequality, github, junit, markdown, plain, sarif, table
from gateway.ci.run import Run

Format = Literal["table", "json", "yaml", "sarif", "junit", "github", "gitlab", "markdown"]

REPORTERS: dict[Format, Callable[[Run], str]] = {
    "table": table.report,
    "json": plain.json,
    "yaml": plain.yaml,
    "sarif": sarif.report,
    "junit": junit.report,
    "github": github.report,
    "gitlab": codequality.report,
    "markdown": markdown.report,
}
