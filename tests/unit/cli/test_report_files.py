"""Findings in further formats, each into a file."""

from __future__ import annotations

import pytest

from gateway.ci.run import Run
from gateway.cli.reports import wanted_reports, write_reports
from gateway.core.errors import GovgateError, UsageError
from gateway.core.guard import OnError


def test_formats_and_files():
    """As many as are named; a file's name may hold an equals sign."""
    found = wanted_reports(["sarif=a.sarif", "json=b=c.json"])
    assert [(name, str(path)) for name, path in found] == [("sarif", "a.sarif"), ("json", "b=c.json")]


@pytest.mark.parametrize("text", ["sarif", "sarif=", "=a", "pdf=a", ""])
def test_what_is_no_report(text):
    """The answer names the formats that there are."""
    with pytest.raises(UsageError, match=r"FORMAT=FILE, with a format of table, json"):
        wanted_reports([text])


def test_a_file_that_cannot_be_written(tmp_path):
    """One line, which names it."""
    with pytest.raises(GovgateError, match=r"nowhere/a.json: cannot be written: No such file"):
        write_reports(Run("", {}, OnError.DENY), wanted_reports([f"json={tmp_path}/nowhere/a.json"]))
