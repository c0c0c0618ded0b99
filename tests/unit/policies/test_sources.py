"""Where rules come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.core.errors import ConfigError
from policies.engine import RulesError
from policies.metadata import rule_info
from policies.sources import builtin_sets, read_sources


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    """Rego without its tests, data where it lies, other YAML for other engines; hidden files are left out."""
    write(
        tmp_path,
        b__rule_dot_rego="package b",
        a_dot_rego="package a",
        a_test_dot_rego="package a_test",
        b__data_dot_json='{"x": 1}',
        data_dot_yaml="b: {z: 1:30, y: 1}",
        constraint_dot_yaml="kind: K8sX",
        README_dot_md="text",
    )
    (tmp_path / ".hidden.rego").write_text("broken")
    source = read_sources([str(tmp_path)])
    assert [module.path for module in source.modules] == [f"{tmp_path}/a.rego", f"{tmp_path}/b/rule.rego"]
    assert source.data == {"b": {"x": 1, "z": "1:30", "true": 1}}
    assert source.documents == ((f"{tmp_path}/constraint.yaml", b"kind: K8sX"),)


def test_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    """kubelet's ``..data`` folder is hidden; the links to its files are what is read."""
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "rule.rego").write_text("package a")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "rule.rego").symlink_to("..data/rule.rego")
    assert [module.path for module in read_sources([str(tmp_path)]).modules] == [f"{tmp_path}/rule.rego"]


def test_a_built_in_set_holds_its_rules_and_all_libraries() -> None:
    """And rules that are in two of the sets asked for are there once."""
    sets = builtin_sets()
    names = ["builtin:pod-security-baseline", "builtin:pod-security-restricted"]
    modules = read_sources(names).modules
    ids = sorted(info.id for module in modules if (info := rule_info(module)) is not None)
    assert ids == sorted({*sets["pod-security-baseline"], *sets["pod-security-restricted"]})
    assert "builtin:lib/pod.rego" in {module.path for module in modules}
    assert len(read_sources(["builtin:all"]).modules) > len(modules)


def test_what_is_not_there(tmp_path: Path) -> None:
    """A set, a folder or a bundle that does not exist is an error that says what there is."""
    with pytest.raises(ConfigError, match=r"there are .*pod-security-baseline.*, all"):
        read_sources(["builtin:pod-security"])
    with pytest.raises(ConfigError, match="no such folder"):
        read_sources([str(tmp_path / "none")])
    with pytest.raises(ConfigError, match="cannot read"):
        read_sources([str(tmp_path / "none.tar.gz")])


def test_contradicting_data_is_refused(tmp_path: Path) -> None:
    """The same value twice is fine, another one is not."""
    for name, value in (("one", 1), ("two", 1), ("three", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.json").write_text(json.dumps({"limit": {"most": value}}))
    assert read_sources([f"{tmp_path}/one", f"{tmp_path}/two"]).data == {"limit": {"most": 1}}
    with pytest.raises(ConfigError, match="most is there already"):
        read_sources([f"{tmp_path}/one", f"{tmp_path}/three"])


def test_what_is_no_text(tmp_path: Path) -> None:
    """A Rego file that is not UTF-8 is named."""
    (tmp_path / "a.rego").write_bytes(b"package a\n# \xff")
    with pytest.raises(RulesError, match=r"a\.rego: not UTF-8 at byte 12"):
        read_sources([str(tmp_path)])
