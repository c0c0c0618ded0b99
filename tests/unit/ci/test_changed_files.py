"""``--changed-since``: just what a branch changes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gateway.ci.changed import changed_files
from gateway.ci.inputs import contents
from gateway.core.errors import GovgateError


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, "-C", str(folder), *arguments], check=True, capture_output=True, timeout=30)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A branch beside main, with everything that can happen to a file."""
    for name in ("same", "edited", "deleted", "renamed"):
        (tmp_path / f"{name}.yaml").write_text(f"a: {name}\nb: 1\nc: 2\n")
    (tmp_path / ".gitignore").write_text("ignored.yaml\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    git(tmp_path, "checkout", "-qb", "branch")
    (tmp_path / "edited.yaml").write_text("a: 2\n")
    (tmp_path / "deleted.yaml").unlink()
    (tmp_path / "renamed.yaml").rename(tmp_path / 'näw "name".yaml')
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "second")
    git(tmp_path, "checkout", "-q", "main")
    (tmp_path / "same.yaml").write_text("a: on main\n")
    git(tmp_path, "commit", "-qam", "elsewhere")
    git(tmp_path, "checkout", "-q", "branch")
    (tmp_path / "untracked.yaml").write_text("a: 1\n")
    (tmp_path / "ignored.yaml").write_text("a: 1\n")
    return tmp_path


def test_what_a_branch_changes(repository: Path) -> None:
    """Edited, renamed and new files; not what main did since, nor what is deleted or ignored."""
    found = changed_files("main", str(repository))
    names = {Path(path).name for path in found}
    assert names == {"edited.yaml", 'näw "name".yaml', "untracked.yaml"}
    read = [item.path for batch in contents([str(repository)], only=found) for item in batch]
    assert sorted(Path(path).name for path in read) == sorted(names)


def test_a_subfolder_is_enough(repository: Path) -> None:
    """Git's names are of the repository's root, wherever one stands."""
    (repository / "below").mkdir()
    (repository / "below" / "new.yaml").write_text("a: 1\n")
    assert str(repository / "below" / "new.yaml") in changed_files("main", str(repository / "below"))


@pytest.mark.parametrize(("since", "problem"), [("no-such", "fetch more history"), ("--output=x", "not a revision")])
def test_what_is_no_revision(repository: Path, since: str, problem: str) -> None:
    """Nothing is judged then: an empty list would be a pass."""
    with pytest.raises(GovgateError, match=problem):
        changed_files(since, str(repository))


def test_no_repository(tmp_path: Path) -> None:
    """Git's own words are passed on."""
    with pytest.raises(GovgateError, match="not a git repository"):
        changed_files("main", str(tmp_path))
