"""A file is replaced whole or stays as it was."""

from __future__ import annotations

import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.ci.fix.files import ChangedError, replace_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "deploy.yaml"
    file.write_bytes(b"old\n")
    return file


@contextmanager
def no_room() -> Iterator[None]:
    """The system refuses to write more than a few bytes to a file, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_mode_stays(file: Path) -> None:
    """Whoever may read the file may read it afterwards; nothing else is left in the folder."""
    file.chmod(0o640)
    replace_file(str(file), b"old\n", b"new\n")
    assert file.read_bytes() == b"new\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(file.parent.iterdir()) == [file]


def test_a_link_stays_a_link(file: Path) -> None:
    """What a symbolic link leads to is replaced, not the link."""
    (file.parent / "sub").mkdir()
    link = file.parent / "sub" / "link.yaml"
    link.symlink_to("../deploy.yaml")
    replace_file(str(link), b"old\n", b"new\n")
    assert link.is_symlink()
    assert file.read_bytes() == b"new\n"


def test_what_somebody_wrote_meanwhile_stays(file: Path) -> None:
    """A file that is not the one that was read is left alone."""
    file.write_bytes(b"theirs\n")
    with pytest.raises(ChangedError):
        replace_file(str(file), b"old\n", b"new\n")
    assert file.read_bytes() == b"theirs\n"
    assert list(file.parent.iterdir()) == [file]


def test_without_room_the_old_file_stays(file: Path) -> None:
    """Nothing is ever half written, and no part of it is left behind."""
    with pytest.raises(OSError, match="too large"), no_room():
        replace_file(str(file), b"old\n", b"new and longer\n")
    assert file.read_bytes() == b"old\n"
    assert list(file.parent.iterdir()) == [file]
