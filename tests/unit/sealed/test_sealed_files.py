"""Files: read whole or not at all, replaced whole or not at all; the digest key's own file."""

from __future__ import annotations

import os
import subprocess
import sys
from io import BufferedReader, FileIO
from pathlib import Path

import pytest

from gateway_secrets.sealed import files
from gateway_secrets.sealed.digest_key import key_path, load_or_make
from gateway_secrets.sealed.errors import FileError
from gateway_secrets.sealed.files import create, read_file, read_stable, replace


class Growing(FileIO):
    """A file into which somebody writes once its first bytes were read."""

    grown = False

    def readinto(self, buffer) -> int:
        count = super().readinto(buffer)
        if not self.grown:
            self.grown = True
            with Path(os.fsdecode(self.name)).open("ab") as other:
                other.write(b"more")
        return count


def test_a_file_that_changes_while_it_is_read_is_not_taken(tmp_path: Path) -> None:
    """Half of one content and half of another would be neither."""
    path = tmp_path / "f"
    path.write_bytes(b"content")
    with BufferedReader(Growing(str(path))) as file, pytest.raises(FileError, match="changed while it was read"):
        read_stable(file, "f")


def test_a_file_that_changed_since_it_was_read_is_left_alone(tmp_path: Path) -> None:
    """Somebody else's change is not written over."""
    path = tmp_path / "f"
    path.write_bytes(b"old")
    read = read_file(path)
    path.write_bytes(b"somebody else's")
    with pytest.raises(FileError, match="was changed by somebody else"):
        replace(read, b"new")
    assert path.read_bytes() == b"somebody else's"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    """What is replaced is the file behind the link."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    replace(read_file(link), b"new")
    assert link.is_symlink()
    assert (real.read_bytes(), real.stat().st_mode & 0o777) == (b"new", 0o640)


def test_plaintext_goes_into_a_file_of_its_owner_only(tmp_path: Path) -> None:
    """Also over one that others could read."""
    path = tmp_path / "secrets.yaml"
    path.write_bytes(b"old")
    path.chmod(0o644)
    create(path, b"plain", 0o600)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"plain", 0o600)


FULL = """
import resource, sys
from pathlib import Path
from gateway_secrets.sealed.errors import FileError
from gateway_secrets.sealed.files import read_file, replace
read = read_file(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    replace(read, b"n" * 5000)
except FileError as error:
    sys.exit(str(error))
"""


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """The kernel refuses to write after 1,000 bytes: the old content is there, and nothing else is."""
    path = tmp_path / "f"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "cannot be written, and is as it was" in done.stderr) == (1, True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody seals more than 64 MB at once."""
    monkeypatch.setattr(files, "MAX_BYTES", 3)
    (tmp_path / "f").write_bytes(b"1234")
    with pytest.raises(FileError, match="more than 3 bytes"):
        read_file(tmp_path / "f")


def test_the_digest_key_is_made_once_and_kept(tmp_path: Path) -> None:
    """In a folder and a file that nobody else may read."""
    path = tmp_path / "govgate" / "seal-digest.key"
    key, made = load_or_make(path)
    assert made
    assert load_or_make(path) == (key, False)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"?", b"c2hvcnQ="])
def test_what_is_no_digest_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """A short key could be tried out."""
    path = tmp_path / "k"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(FileError, match="is no digest key"):
        load_or_make(path)


def test_a_digest_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """As ssh refuses such keys."""
    path = tmp_path / "k"
    load_or_make(path)
    path.chmod(0o640)
    with pytest.raises(FileError, match="chmod 600"):
        load_or_make(path)


def test_where_the_digest_key_is() -> None:
    """A variable names it; else it is in the user's configuration folder."""
    assert key_path({"GOVGATE_SEAL_KEY": "/x", "XDG_CONFIG_HOME": "/c"}) == Path("/x")
    assert key_path({"XDG_CONFIG_HOME": "/c"}) == Path("/c/govgate/seal-digest.key")
    assert key_path({}) == Path.home() / ".config/govgate/seal-digest.key"
