#!/usr/bin/env python3
"""Builds govgate's native library (gateway/native/go) and puts it where the package looks for it.

    tools/build_native.py           build unless it is in the cache, and place it
    tools/build_native.py --digest  print what the library of these sources is known by

The cache is ``govgate/native/<digest>`` below the user's cache folder (``$GOVGATE_NATIVE_CACHE`` overrides it); the
digest covers the sources, with every module by way of ``go.sum``, the flags and the Go version. Go is found as
tools/build.py finds it. The C compiler is ``$CC``, else ``cc``, ``gcc`` or ``clang`` on PATH, else the ``ziglang``
wheel pinned in ``tools/zig.txt``. Standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path

import build as tools

SOURCES = tools.HERE.parent / "gateway" / "native" / "go"
PLACE = tools.HERE.parent / "gateway" / "native" / "_library" / "libgovgate.so"
ZIG_PIN = tools.HERE / "zig.txt"
FLAGS = {**tools.FLAGS, "CGO_ENABLED": "1", "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false"}
LINKER_FLAGS = "-s -w"
KEPT = 4
"""Libraries of earlier sources that stay in the cache."""


def cache_dir() -> Path:
    """Where built libraries are kept."""
    if os.environ.get("GOVGATE_NATIVE_CACHE"):
        return Path(os.environ["GOVGATE_NATIVE_CACHE"]).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "govgate" / "native"


def digest(go_version: str) -> str:
    """Of everything that the library is made of."""
    material = [go_version, LINKER_FLAGS, os.uname().machine, *(f"{k}={v}" for k, v in sorted(FLAGS.items()))]
    for path in sorted(SOURCES.iterdir()):
        if path.suffix in {".mod", ".sum", ".go"} and not path.name.endswith("_test.go"):
            material += [path.name, hashlib.sha256(path.read_bytes()).hexdigest()]
    return hashlib.sha256("\0".join(material).encode()).hexdigest()[:16]


def c_compiler(cache: Path) -> dict[str, str]:
    """What Go needs in its environment to find a C compiler."""
    if os.environ.get("CC") or any(shutil.which(name) for name in ("gcc", "clang")):
        return {} if os.environ.get("CC") or shutil.which("gcc") else {"CC": "clang"}
    if shutil.which("cc"):
        return {"CC": "cc"}
    found = re.search(r"^ziglang==(\S+)", ZIG_PIN.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise tools.BuildError(f"{ZIG_PIN} does not pin ziglang")
    target = cache / f"ziglang-{found[1]}"
    zig = target / "ziglang" / "zig"
    if not zig.exists():
        tools.say("no C compiler on PATH: installing the pinned zig into the cache")
        tools.install_wheel(ZIG_PIN, target)
    zig.chmod(0o755)
    return {"CC": f"{shlex.quote(str(zig))} cc"}


def build(cache: Path, found: tuple[str, str] | None, target: Path) -> None:
    """Build the library into the cache, whole or not at all.

    Raises:
        BuildError: with the end of Go's own output.
    """
    go, version = found or (tools.install_go(cache), tools.pinned_go_version())
    started = time.monotonic()
    progress = "native library"
    tools.say(f"building the native library with {version} (the first time takes about a minute)")
    with tempfile.TemporaryDirectory(dir=cache, prefix=".build-") as scratch:
        made = Path(scratch) / "made" / target.name
        made.parent.mkdir()
        command = [go, "build", "-buildmode=c-shared", "-ldflags", LINKER_FLAGS, "-o", str(made), "."]
        tools.run_go(command, SOURCES, {**FLAGS, **c_compiler(cache)}, progress)
        made.with_suffix(".h").unlink()
        made.parent.replace(target.parent)
    tools.say(f"native library built in {time.monotonic() - started:.0f} s")
    built = sorted(cache.glob(f"*/{target.name}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in built[1 + KEPT :]:
        shutil.rmtree(old.parent, ignore_errors=True)


def place(library: Path) -> None:
    """Put the library where the package looks for it, at once: processes that have the old one loaded keep it."""
    PLACE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE.parent, prefix=".place-") as scratch:
        copy = Path(scratch) / PLACE.name
        try:
            copy.hardlink_to(library)
        except OSError:  # another file system
            shutil.copyfile(library, copy)
        copy.replace(PLACE)


def main(arguments: list[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Build the native library.")
    parser.add_argument("--digest", action="store_true", help="print what the library of these sources is known by")
    options = parser.parse_args(arguments)
    cache = cache_dir()
    try:
        found = tools.go_on_path()
        known_by = digest(found[1] if found else tools.pinned_go_version())
        if options.digest:
            print(known_by)
            return 0
        library = cache / known_by / PLACE.name
        with tools.locked(cache):
            if not library.exists():
                build(cache, found, library)
            place(library)
    except (tools.BuildError, OSError) as error:
        tools.say(f"the native library was not built: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
