"""Structured files of any format: which are read, what of them is judged by which rules, and where findings stand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.ci.inputs import contents
from gateway.ci.job import Job, run_job
from gateway.ci.report import REPORTERS
from gateway.ci.run import Run
from gateway.config.model import Config
from gateway.config.policy import Policy
from gateway.config.secrets import Secrets
from gateway.core.finding import Finding
from gateway.native.documents import parser_of

pytestmark = pytest.mark.native

RULES = """package main
import rego.v1
deny contains {"msg": "from latest", "path": [i]} if { some i; input[i].Cmd == "from"; endswith(input[i].Value[0], ":latest") }
deny contains {"msg": "public", "path": ["resource", "bucket", n, i, "acl"]} if { some n, i; input.resource.bucket[n][i].acl == "public" }
deny contains {"msg": "debug", "field": "server.debug"} if input.server.debug
"""

FILES = {
    "Dockerfile": "# c\nFROM a:1 AS b\nRUN x\n\nFROM c:latest\n",
    "main.tf": 'x = 1\nresource "bucket" "b" {\n  tags = {}\n}\nresource "bucket" "a" {\n\n  acl = "public"\n}\n',
    "a.toml": "z = 1\n[server]\nport = 1\ndebug = true\n",
    "b.ini": "[server]\ndebug = true\n",
    "c.yaml": "x: 1\n---\n\nserver:\n  debug: true\n",
    "d.json": '[{"x": 1},\n{"server":\n{"debug": true}}]',
    "m.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\nserver:\n  debug: true\n",
}
EXPECTED = {
    ("Dockerfile", 5, "File", "Dockerfile", "[3]"),
    ("main.tf", 7, "File", "main.tf", "resource.bucket.a[0].acl"),
    ("a.toml", 4, "File", "a.toml", "server.debug"),
    ("b.ini", 2, "File", "b.ini", "server.debug"),
    ("c.yaml", 5, "File", "c.yaml#2", "server.debug"),
    ("d.json", 3, "File", "d.json#2", "server.debug"),
    ("m.yaml", 5, "ConfigMap", "m", "server.debug"),
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "main.rego").write_text(RULES)
    return folder


def write(path: str, text: str) -> None:
    Path(path).write_text(text)


async def check(*paths: str, rules: str | Path = "rules", **options: Any) -> Run:
    config = Config(policy=Policy(sources=(str(rules),)))
    return await run_job(Job(paths, config, **options), lambda _run: None)


def seen(findings: list[Finding]) -> set[tuple[str, int, str, str, str]]:
    found = set()
    for one in findings:
        assert one.location is not None
        name = one.resource.name.removeprefix("files/")
        found.add((Path(one.location.path).name, one.location.line, one.resource.kind, name, one.field))
    return found


@pytest.mark.parametrize(
    ("name", "parser"),
    [
        ("Dockerfile", "dockerfile"),
        ("a/dockerfile.debug", "dockerfile"),
        ("dev.Dockerfile", "dockerfile"),
        ("Containerfile", "dockerfile"),
        ("x.TF", "hcl2"),
        ("x.tfvars", "hcl2"),
        (".env.prod", "dotenv"),
        ("x.env", "dotenv"),
        (".gitignore", "ignore"),
        ("a.yml", "yaml"),
        ("x.dockerignore", "ignore"),
        ("x.conf", ""),
        ("README", ""),
        ("toml", ""),
    ],
)
def test_parsers_by_name(name: str, parser: str) -> None:
    """As Conftest chooses them."""
    assert parser_of(name) == parser


def test_folders_hold_more_where_rules_are_about_it(files: Path) -> None:
    """Files of all formats, and those whose names begin with a dot; else manifests alone."""
    for name in (".env", ".terraform.lock.hcl", "notes.txt"):
        (files / name).write_text("")
    assert [Path(one.path).name for batch in contents(["files"]) for one in batch] == ["c.yaml", "d.json", "m.yaml"]
    several = [Path(one.path).name for batch in contents(["files"], structured=True) for one in batch]
    assert several == sorted([*FILES, ".env"])


@pytest.mark.usefixtures("files")
async def test_findings_stand_where_their_field_is() -> None:
    """In each format, in each document of several, and in manifests as ever."""
    run = await check("files")
    assert seen(run.findings) == EXPECTED
    assert (run.summary.judged, run.summary.skipped, run.problems, run.doubts) == (9, 0, [], [])
    assert len({one.id for one in run.findings}) == len(EXPECTED)


@pytest.mark.usefixtures("files")
async def test_other_rules_see_manifests_alone() -> None:
    """What is none is skipped, in files that are named; what nobody names or judges is not even read."""
    write("files/bad.hcl", "a = (")
    run = await check("files", rules="builtin:all")
    assert (run.summary.judged, run.summary.skipped, run.problems) == (1, 4, [])
    run = await check("files/Dockerfile", "files/bad.hcl", rules="builtin:all")
    assert (run.summary.judged, run.summary.skipped, len(run.problems)) == (0, 1, 1)


@pytest.mark.usefixtures("files")
async def test_rules_of_all_kinds_together(tmp_path: Path) -> None:
    """A rule that is about reviews does not see a file, whatever it says that it is about."""
    (tmp_path / "rules" / "own.rego").write_text(
        "# METADATA\n# scope: package\n# title: All\n# description: All.\n# custom:\n#   id: own/all\n#   severity: low\n"
        "#   action: deny\npackage own.all\nimport rego.v1\nfindings contains"
        ' {"message": "seen", "field": ""} if true\n'
    )
    run = await check("files")
    assert [one.resource.kind for one in run.findings if one.rule == "own/all"] == ["ConfigMap"]
    assert run.summary.judged == 9


@pytest.mark.usefixtures("files")
async def test_all_at_once() -> None:
    """With combine a rule sees a list; what it finds in one of the files is about that, with the same id as alone."""
    combined = """package main
import rego.v1
deny contains {"msg": "debug", "path": [i, "contents", "server", "debug"]} if { some i; input[i].contents.server.debug }
deny contains sprintf("%d of %v", [count(input), input[0].path]) if true
"""
    write("rules/combined.rego", combined)
    alone = {one.id for one in (await check("files")).findings if one.message == "debug"}
    run = await check("files", combine=True)
    (whole,) = [one for one in run.findings if one.location is None]
    assert (whole.message, whole.resource.name) == ("9 of files/Dockerfile", "Combined")
    inside = [one for one in run.findings if one.location is not None]
    assert seen(inside) == {one for one in EXPECTED if one[4] == "server.debug"}
    assert {one.id for one in inside} == alone
    for report in REPORTERS.values():
        assert "Combined" in report(run)


@pytest.mark.usefixtures("files")
async def test_a_parser_for_everything() -> None:
    """It is used whatever the file is called; a file that it cannot read is a problem with its line."""
    write("files/odd.txt", 'a = 1\nresource "bucket" "x" { acl = "public" }\n')
    run = await check("files/odd.txt", "files/a.toml", parser="hcl2")
    assert seen(run.findings) == {("odd.txt", 2, "File", "odd.txt", "resource.bucket.x[0].acl")}
    assert [str(one).split(": ")[:2] for one in run.problems] == [["files/a.toml:2", "not readable as hcl2"]]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("x.env", "A=1\nhunter2 hunter2\n", 2),
        ("x.ini", "[a]\nb=1\nhunter2\n", 3),
        ("x.toml", 'a = 1\nb = "hunter2\n', 2),
        ("x.tf", 'a = 1\nb {\n hunter2 "hunter2\n}\n', 3),
        ("x.Dockerfile", "FROM a\nhunter2 x\n", 2),
        ("Dockerfile.x", 'FROM a\nENV "hunter2\n', 2),
        ("x.properties", "a=${hunter2\n", 1),
        ("x.jsonc", '{"a": hunter2}', 1),
        ("x.edn", "{:a hunter2", 1),
    ],
)
@pytest.mark.usefixtures("files")
async def test_what_cannot_be_read_is_named_and_not_shown(name: str, text: str, line: int) -> None:
    """File and line; a parser that quotes the line may quote a secret."""
    write(f"files/{name}", text)
    run = await check(f"files/{name}")
    (problem,) = run.problems
    assert (problem.path, problem.line) == (f"files/{name}", line)
    assert "hunter2" not in json.dumps(run.document(), default=str).lower()


@pytest.mark.usefixtures("files")
async def test_variables_of_the_process_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that names one gets nothing: the one who wrote it may not know its value."""
    monkeypatch.setenv("TOKEN", "hunter2")
    assert os.environ["TOKEN"] == "hunter2"
    write("files/x.env", "A=${TOKEN}-$TOKEN\n")
    write("files/x.properties", "a=${TOKEN}\n")
    write("rules/all.rego", "package all\nimport rego.v1\nwarn contains json.marshal(input) if true\n")
    run = await check("files/x.env", "files/x.properties")
    assert "hunter2" not in json.dumps(run.document(), default=str)


@pytest.mark.usefixtures("files")
async def test_the_name_of_the_file() -> None:
    """Rules find it where Conftest has it, for manifests and for other files."""
    text = "package main\nimport rego.v1\nwarn contains data.conftest.file.name if data.conftest.file.dir != input\n"
    write("rules/name.rego", text)
    run = await check("files")
    assert {one.message for one in run.findings if one.action == "warn"} == set(FILES)
    assert seen([one for one in run.findings if one.action == "deny"]) == EXPECTED


@pytest.mark.usefixtures("files")
async def test_comments_suppress() -> None:
    """In every format that has comments with a hash."""
    mark = "# govgate:ignore rego/main/deny until=2999-01-01 reason=x\n"
    write("files/main.tf", FILES["main.tf"].replace("  acl", f"  {mark}  acl"))
    write("files/Dockerfile", mark + FILES["Dockerfile"])
    config = Config(policy=Policy(sources=("rules",)))
    config = Config(policy=config.policy, check=type(config.check)(max_days=10**6))
    run = await run_job(Job(["files/main.tf", "files/Dockerfile"], config), lambda _run: None)
    assert [one.state for one in run.suppressions] == ["active", "active"]
    assert run.summary.denied == 0


async def test_other_guards_judge_without_rules(tmp_path: Path) -> None:
    """Where the configuration has no source of rules there are none to be broken; secrets are found all the same."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i", "env": [{"name": "DB_PASSWORD", "value": "hunter2"}]}]},
    }
    (tmp_path / "pod.yaml").write_text(json.dumps(pod))
    config = Config(policy=Policy(sources=()), secrets=Secrets(detect="deny"))
    run = await run_job(Job([str(tmp_path / "pod.yaml")], config), lambda _run: None)
    assert [one.rule for one in run.findings] == ["detect/named-password"]
    assert run.summary.judged == 1
