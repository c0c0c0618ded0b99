"""Which folders are rendered, and which files are parts of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.ci.render import Folder, Renderer, folders_below
from gateway.ci.render import programs as programs_module


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        file = root / name.replace("__", "/").replace("_yaml", ".yaml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two overlays of one base, a chart with a dependency, and a file that belongs to nothing."""
    write(
        tmp_path,
        base__kustomization_yaml="resources: [deploy.yaml, more]\nconfigMapGenerator: [{name: a, files: [k=data.yaml]}]\n",
        base__deploy_yaml="kind: Deployment\n",
        base__data_yaml="a: 1\n",
        base__more__kustomization_yaml="resources: [service.yaml]\n",
        base__more__service_yaml="kind: Service\n",
        prod__kustomization_yaml="resources: [../base, https://example.com/x]\npatches: [{path: patch.yaml}]\n",
        prod__patch_yaml="kind: Deployment\n",
        test__kustomization_yaml="bases: [../base]\n",
        test__lonely_yaml="kind: ConfigMap\n",
        chart__Chart_yaml="name: c\n",
        chart__templates__t_yaml="{{ x }}\n",
        chart__charts__sub__Chart_yaml="name: s\n",
    )
    return tmp_path


def test_what_nothing_builds_upon_is_rendered(tree: Path) -> None:
    """Overlays and charts; a base is a part of its overlays, a chart's dependency a part of the chart."""
    found = folders_below(str(tree), folded=frozenset())
    assert {(Path(one.path).name, one.tool) for one in found.rendered.values()} == {
        ("prod", "kustomize"),
        ("test", "kustomize"),
        ("chart", "helm"),
    }


@pytest.mark.parametrize(
    ("name", "belongs"),
    [
        ("base/deploy.yaml", True),
        ("base/data.yaml", True),
        ("base/more/service.yaml", True),
        ("base/kustomization.yaml", True),
        ("prod/patch.yaml", True),
        ("chart/templates/t.yaml", True),
        ("chart/charts/sub/Chart.yaml", True),
        ("test/lonely.yaml", False),
    ],
)
def test_parts_are_not_judged_as_they_lie(tree: Path, name: str, belongs: bool) -> None:
    """Whatever a kustomization names; a file beside it that it does not name is judged."""
    assert folders_below(str(tree), folded=frozenset()).belongs(str(tree / name)) is belongs


@pytest.mark.parametrize(
    ("changed", "concerned"),
    [("base/more/service.yaml", {"prod", "test"}), ("prod/patch.yaml", {"prod"}), ("test/lonely.yaml", set())],
)
def test_what_a_change_concerns(tree: Path, changed: str, concerned: set[str]) -> None:
    """An overlay is rendered anew for a change in what it is made from, however far below."""
    found = folders_below(str(tree), folded=frozenset())
    only = frozenset({str((tree / changed).resolve())})
    assert {Path(one.path).name for one in found.rendered.values() if found.concerned(one, only)} - {
        "chart"
    } == concerned


def test_a_kustomization_that_cannot_be_read_is_rendered_all_the_same(tmp_path: Path) -> None:
    """Its own tool says what is wrong with it."""
    write(tmp_path, a__kustomization_yaml="resources: [")
    assert [one.tool for one in folders_below(str(tmp_path), folded=frozenset()).rendered.values()] == ["kustomize"]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A program of ours in the place of kustomize."""

    def make(script: str) -> Folder:
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "kustomize"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        return Folder(str(tmp_path), str(tmp_path / "kustomization.yaml"), "kustomize")

    return make


def test_a_program_that_hangs_is_ended(fake) -> None:
    """With whatever it has started; the problem says how long it was given."""
    folder = fake("/bin/sleep 60 & /bin/sleep 60")
    assert "longer than 0.3 s" in Renderer(timeout_seconds=0.3).render(folder).problem


def test_a_program_that_fails_is_quoted(fake) -> None:
    """What it said on its standard error, in one line."""
    assert (
        Renderer().render(fake("echo no such >&2; echo base >&2; exit 3")).problem == "kustomize failed: no such base"
    )


def test_a_program_that_floods_is_ended(fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is read than an answer may have."""
    monkeypatch.setattr(programs_module, "MAX_BYTES", 1000)
    assert "more than 1000 bytes" in Renderer().render(fake("while :; do echo xxxxxxxx; done")).problem


def test_nothing_of_the_users_reaches_it(fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """No kubeconfig, no home, no network."""
    monkeypatch.setenv("KUBECONFIG", "/secret")
    said = Renderer().render(fake('echo "$KUBECONFIG|$HOME|$HTTPS_PROXY"')).data.decode()
    assert said.startswith("|")
    assert "127.0.0.1:9" in said
    assert str(Path.home()) not in said.split("|")[1] or Path.home() == Path("/")


@pytest.mark.parametrize(("tool", "named"), [("kustomize", "neither kustomize nor kubectl"), ("helm", "helm is not")])
def test_a_missing_program_is_said(tool: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do about it."""
    monkeypatch.setenv("PATH", "/nonexistent")
    problem = Renderer().render(Folder(".", "./x", tool)).problem  # type: ignore[arg-type]
    assert named in problem
    assert "--render never" in problem
