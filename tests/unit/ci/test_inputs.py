"""Which files are read, and what is made of those that cannot be."""

from __future__ import annotations

import os
from io import BufferedReader, FileIO
from pathlib import Path

import pytest

from gateway.ci import inputs
from gateway.ci.inputs import Content, Problem, contents


def names(*paths: str | Path) -> list[str]:
    return [item.path for batch in contents([str(path) for path in paths]) for item in batch]


def problems(*paths: str | Path) -> list[str]:
    found = [item for batch in contents([str(path) for path in paths]) for item in batch]
    return [str(item) for item in found if isinstance(item, Problem)]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "b.yaml",
        "a/x.yml",
        "a/y.json",
        "a/z.txt",
        ".git/c.yaml",
        "a/.d.yaml",
        "node_modules/e.yaml",
        "B.YAML",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("a: 1\n")
    return tmp_path


def test_a_folder_is_read_in_order(tree: Path) -> None:
    """With all below it; hidden files and other suffixes are left out."""
    assert names(tree) == [f"{tree}/{name}" for name in ("B.YAML", "b.yaml", "a/x.yml", "a/y.json")]


def test_each_file_is_read_once(tree: Path) -> None:
    """However often it is named; a file that is named is read whatever its suffix."""
    assert names(f"{tree}/a/z.txt", f"{tree}/a", tree)[:3] == [
        f"{tree}/a/{name}" for name in ("z.txt", "x.yml", "y.json")
    ]
    assert len(names(tree, tree)) == 4


def test_globs(tree: Path) -> None:
    """A pattern that the shell left alone; what matches nothing is a problem."""
    assert names(f"{tree}/**/*.y*ml") == [f"{tree}/a/x.yml", f"{tree}/b.yaml", f"{tree}/node_modules/e.yaml"]
    assert problems(f"{tree}/*.toml") == [
        f"{tree}/*.toml: there is no such file or folder, and no file matches it as a glob"
    ]


def test_what_cannot_be_read_hides_nothing_else(tree: Path) -> None:
    """A dangling link is named, a link to a folder not followed, a pipe in a folder not waited for."""
    (tree / "a" / "gone.yaml").symlink_to("nowhere")
    (tree / "a" / "loop").symlink_to(tree)
    os.mkfifo(tree / "a" / "pipe.yaml")
    assert problems(tree) == [
        f"{tree}/a/gone.yaml: cannot be read: No such file or directory",
        f"{tree}/a/pipe.yaml: is no regular file",
    ]
    assert len(names(tree)) == 6


def test_bounds(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file beyond the limit is a problem; batches are as many files, or bytes, as are held at a time."""
    monkeypatch.setattr(inputs, "MAX_FILE_BYTES", 20)
    (tree / "big.yaml").write_text("a: " + "x" * 30)
    assert problems(tree) == [f"{tree}/big.yaml: larger than 20 bytes"]
    monkeypatch.setattr(inputs, "BATCH_FILES", 2)
    assert [len(batch) for batch in contents([str(tree)])] == [2, 2, 1]
    monkeypatch.setattr(inputs, "BATCH_BYTES", 1)
    assert [len(batch) for batch in contents([f"{tree}/a"])] == [1, 1]
    assert all(isinstance(item, Content) for batch in contents([f"{tree}/a"]) for item in batch)


class Growing(FileIO):
    """A file into which somebody writes once its first bytes were read."""

    grown = False

    def readinto(self, buffer) -> int:
        count = super().readinto(buffer)
        if self.grown:
            return count
        self.grown = True
        with Path(os.fsdecode(self.name)).open("ab") as other:
            other.write(b"more")
        return count


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    """Half of one content and half of another is neither: it is not judged."""
    path = tmp_path / "f.yaml"
    path.write_bytes(b"content")
    with path.open("rb") as file:
        assert inputs.read_whole(file) == b"content"
    with BufferedReader(Growing(str(path))) as growing:
        assert inputs.read_whole(growing) is None
