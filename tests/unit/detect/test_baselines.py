"""Baselines: what is accepted is marked, until its date; what is not needed any more is said."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from gateway.ci.baseline import Baseline, Entry, apply, read_baseline, renewed, write_baseline
from gateway.core.errors import ConfigError
from gateway.core.finding import Action, Finding, Location, Resource, Severity, finding_id

TODAY = date(2026, 10, 1)
LATER = date(2026, 12, 1)


def finding(field: str = "stringData.password", path: str = "a.yaml") -> Finding:
    about = Resource("v1", "Secret", "web", "db")
    rule = "detect/kubernetes-secret"
    return Finding(
        finding_id(rule, about, field),
        rule,
        Severity.CRITICAL,
        Action.DENY,
        "secrets",
        about,
        field,
        "m",
        "r",
        Location(path),
    )


def entry(one: Finding, expires: date = LATER, path: str = "") -> Entry:
    return Entry(one.id, "a test's", expires, path=path)


def test_an_entry_excepts_its_finding() -> None:
    """A finding that is accepted stays, marked with the entry."""
    one, other = finding(), finding("stringData.token")
    applied = apply(Baseline(entries=[entry(one)]), [one, other], ["a.yaml", "a.yaml"], TODAY)
    assert [found.exception for found in applied.findings] == [f"baseline/{one.id}", None]
    assert (applied.lapsed, applied.unused) == ([], [])


def test_a_lapsed_entry_excepts_nothing() -> None:
    """After its date the finding counts again, and the entry is named."""
    one = finding()
    lapsed = entry(one, date(2026, 9, 30))
    applied = apply(Baseline(entries=[lapsed]), [one], ["a.yaml"], TODAY)
    assert (applied.findings[0].exception, applied.lapsed) == (None, [lapsed])
    assert apply(Baseline(entries=[entry(one, TODAY)]), [one], ["a.yaml"], TODAY).findings[0].exception


def test_an_entry_with_a_path_is_about_that_file() -> None:
    """The same object in another cluster's folder is another matter."""
    one = finding()
    here = entry(one, path="prod/a.yaml")
    applied = apply(Baseline(entries=[here]), [one, one], ["prod/a.yaml", "test/a.yaml"], TODAY)
    assert [bool(found.exception) for found in applied.findings] == [True, False]


def test_unused_entries_are_named() -> None:
    """An entry that no finding needs is said to be."""
    gone = entry(finding("gone"))
    assert apply(Baseline(entries=[gone]), [finding()], ["a.yaml"], TODAY).unused == [gone]


def test_writing_keeps_what_holds(tmp_path: Path) -> None:
    """Reasons and dates of entries survive a new writing, entries without a finding do not, and the file reads back."""
    one, other = finding(), finding("stringData.token")
    known = Baseline(entries=[Entry(one.id, "known", LATER, path="a.yaml"), entry(finding("gone"))])
    baseline = renewed(known, [one, other], ["a.yaml", "a.yaml"], "new", TODAY)
    write_baseline(tmp_path / "b.yaml", baseline)
    read = read_baseline(tmp_path / "b.yaml")
    assert [(found.id, found.reason, found.expires) for found in read.entries] == [
        (one.id, "known", LATER),
        (other.id, "new", date(2026, 12, 30)),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: Other", "kind"),
        ("entries: [{id: f-1, expires: 2027-01-01}]", "reason"),
        ("entries: [{id: f-1, reason: ' ', expires: 2027-01-01}]", "say why"),
        ("entries: [{id: f-1, reason: x}]", "expires"),
        ("entries: [{id: f-1, reason: x, expires: soon}]", "expires"),
        ("entries: [{id: f-1, reason: x, expires: 2027-01-01, value: y}]", "value"),
        ("{", "b.yaml"),
    ],
)
def test_bad_baselines_are_refused(tmp_path: Path, text: str, said: str) -> None:
    """Without a reason, a date, or readable at all, a baseline is an error that names what is wrong."""
    path = tmp_path / "b.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_baseline(path)
    with pytest.raises(ConfigError, match="cannot read"):
        read_baseline(tmp_path / "none.yaml")
