"""The shape of the rule library: one folder a rule, with the rule, its test and its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.library import LIBRARY, rules

from policies.engine import Module
from policies.metadata import package_of

SETS = {
    "pod-security-baseline", "pod-security-restricted", "supply-chain", "reliability", "rbac", "network", "gitops",
    "secrets",
}  # fmt: skip
SECTIONS = ["What", "Why", "Bad", "Good", "Parameters", "Controls"]
STANDARDS = {"pss", "cis", "nsa"}
FOLDERS = sorted(str(path.relative_to(LIBRARY)) for path in LIBRARY.glob("*/*/"))
MODULES = sorted(str(path.relative_to(LIBRARY)) for path in LIBRARY.glob("**/*.rego"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_folder_id_and_package_are_one(folder: str) -> None:
    """A rule's folder holds its three files, and names the rule, its package and that of its test."""
    assert {path.name for path in (LIBRARY / folder).iterdir()} == {"rule.rego", "rule_test.rego", "README.md"}
    assert rules()[folder].id == folder
    package = "govgate.rules." + folder.replace("/", ".").replace("-", "_")
    assert _package(f"{folder}/rule.rego") == package
    assert _package(f"{folder}/rule_test.rego") == f"{package}_test"


@pytest.mark.parametrize("folder", FOLDERS)
def test_metadata_is_complete(folder: str) -> None:
    """The METADATA says everything that people are told, in known words, and each parameter has its default."""
    info = rules()[folder]
    assert info.title
    assert info.description.endswith(".")
    assert info.links
    assert info.sets
    assert set(info.sets) <= SETS
    assert info.kinds
    assert set(info.controls) <= STANDARDS
    for parameter in info.parameters.get("properties", {}).values():
        assert {"type", "default", "description"} <= set(parameter)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("_test.rego")])
def test_every_rule_has_a_title(name: str) -> None:
    """Each rule that others may use is preceded by METADATA with a title, however many definitions it has."""
    lines = (LIBRARY / name).read_text(encoding="utf-8").splitlines()
    titled: set[str] = set()
    for number, line in enumerate(lines):
        head = re.match(r"(?:default )?([a-z]\w*)(?:\(| contains | := | if )", line)
        if head is None or head[1] in ("import", "package", "else"):
            continue
        comments = []
        for above in reversed(lines[:number]):
            if not above.startswith("#"):
                break
            comments.append(above)
        if "# METADATA" in comments:
            assert any(comment.startswith("# title: ") for comment in comments), f"{name}:{number + 1}"
            titled.add(head[1])
        assert head[1] in titled, f"{name}:{number + 1}: {head[1]} has no METADATA"


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_page_tells_what_the_metadata_says(folder: str) -> None:
    """The page has its sections, each with something in it, and title, parameters and controls of the METADATA."""
    info = rules()[folder]
    page = (LIBRARY / folder / "README.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {info.title}\n")
    assert f"`{info.id}` · severity {info.severity} · {info.action} · " in page
    parts = re.split(r"^## (.*)\n", page, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    assert list(sections) == SECTIONS
    assert all(sections.values())
    assert sections["What"].startswith(info.description)
    for name in info.parameters.get("properties", {}):
        assert f"| `{name}` |" in sections["Parameters"]
    for control in info.controls.values():
        assert f"| {control} |" in sections["Controls"]
    for name in info.sets:
        assert f"`{name}`" in parts[0]


def test_every_set_has_rules() -> None:
    """No set is empty, and every rule that a set names is in the library."""
    assert {name for info in rules().values() for name in info.sets} == SETS


def test_no_walk() -> None:
    """No rule walks a whole object: that costs more than all other rules together."""
    for name in MODULES:
        assert "walk(" not in (LIBRARY / name).read_text(encoding="utf-8"), name


def test_the_index_lists_every_rule() -> None:
    """The library's own page has a row for each set and for each rule, with what its METADATA says."""
    page = (LIBRARY / "README.md").read_text(encoding="utf-8").splitlines()
    rows = {line for line in page if line.startswith("| [")}
    assert rows == {
        f"| [{rule}]({rule}/README.md) | {info.description} | {info.severity} | {info.action} | {', '.join(info.sets)} |"
        for rule, info in rules().items()
    }
    assert {line.split("`")[1] for line in page if line.startswith("| `")} == SETS


def _package(name: str) -> str:
    path = Path(LIBRARY / name)
    return package_of(Module(str(path), path.read_text(encoding="utf-8")))
