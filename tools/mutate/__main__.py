"""Switch off every rule and condition of a part of the house, one at a time, and see whether a test fails.

The sources stay as they are: each mutant is compiled from a changed syntax tree in a forked process, which then runs the
part's unit tests, their examples few and always the same. A mutant that no test notices has survived; one that
runs for longer than the tests ever take counts as noticed, and is named. The exit code is 1 if one survived that
``known.txt`` does not list as changing nothing.

    python tools/mutate [drift|signatures|trust|sources|oci] [--only SUBSTRING ...] [--jobs N]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.abc
import importlib.util
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from mutations import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
KNOWN = Path(__file__).with_name("known.txt")

EXAMPLES = 15
CPU_SECONDS = 60
SECONDS = 900.0
"""For a mutant that waits for ever: of the clock, so far above what tests take on a busy machine."""
OPTIONS = ("-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-o", "timeout=0")
OPTIONS += ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # plugins that are imported before pytest starts


class Part(NamedTuple):
    """What is mutated, and by which tests. ``sources``: each module, and the test that is most likely to notice, which
    runs first. ``slow``: tests that run last, or (if not in ``last``) never.
    """

    folder: Path
    tests: Path
    prefix: str
    sources: dict[str, str]
    slow: tuple[str, ...]
    last: tuple[str, ...]

    def test(self, name: str) -> Path:
        """The file of a test."""
        return self.tests / f"test_{self.prefix}{name}.py"

    @property
    def quick(self) -> list[Path]:
        """The files of all tests that are not slow."""
        slow = [self.test(name) for name in self.slow]
        return [path for path in sorted(self.tests.glob(f"test_{self.prefix}*.py")) if path not in slow]


PARTS = {
    "drift": Part(
        folder=ROOT / "webhooks" / "drift",
        tests=ROOT / "tests" / "unit" / "drift",
        prefix="",
        sources={
            "violations": "declared_fields",
            "exempt": "never_blocked",
            "ownership": "actors",
            "decide": "drift_modes",
            "weigh": "owner_intent",
            "fields": "declared_fields",
            "elements": "elements",
            "declared": "declared_fields",
            "intent": "owner_intent",
            "reconcilers/flux": "recognition",
            "reconcilers/argocd": "recognition",
            "reconcilers/config_sync": "config_sync",
            "reconcilers/crossplane": "crossplane",
            "reconcilers/helm": "helm_and_fleet",
            "reconcilers/pulumi": "pulumi_and_tofu",
            "reconcilers/tofu": "pulumi_and_tofu",
            "reconcilers/metal3": "metal3",
            "calendar": "times",
            "kargo": "kargo",
        },
        slow=("elements", "drift_properties", "drift_bounds"),
        last=("elements", "drift_properties"),
    ),
    "signatures": Part(
        folder=ROOT / "gateway" / "provenance" / "signatures",
        tests=ROOT / "tests" / "unit" / "provenance",
        prefix="signature_",
        sources={
            "keys": "keys",
            "ed25519ph": "keys",
            "der": "stamps",
            "keyed": "bundles",
            "statement": "bundles",
            "legacy": "legacy",
            "bundle": "bundles",
            "merkle": "root",
            "log": "bundles",
            "logbody": "logbody",
            "timestamps": "stamps",
            "proofs": "bundles",
            "root": "root",
            "authorities": "keys",
            "identities": "keyless",
            "certificates": "keyless",
            "keyless": "keyless",
            "sigstore_python": "keyless",
            "notation": "notation",
            "notation_attributes": "cose",
            "notation_jws": "notation",
            "notation_cose": "cose",
            "notation_algorithms": "notation",
            "cbor": "cose",
            "x509chain": "notation",
            "decoding": "decoding",
            "verify": "defects",
            "refusal": "decoding",
        },
        slow=("mutations", "imports"),
        last=("mutations",),
    ),
    "trust": Part(
        folder=ROOT / "gateway" / "provenance" / "trust",
        tests=ROOT / "tests" / "unit" / "provenance",
        prefix="trust_",
        sources={"evaluate": "policies", "patterns": "policies", "reading": "policies"},
        slow=(),
        last=(),
    ),
    "sources": Part(
        folder=ROOT / "webhooks" / "sources",
        tests=ROOT / "tests" / "unit" / "provenance",
        prefix="source_",
        sources=dict.fromkeys(("fetch", "flux", "argocd", "crossplane", "workloads", "matchers", "find"), "fetches"),
        slow=(),
        last=(),
    ),
    "oci": Part(
        folder=ROOT / "gateway" / "provenance" / "oci",
        tests=ROOT / "tests" / "unit" / "provenance",
        prefix="oci_",
        sources={
            "reference": "references",
            "manifest": "manifests",
            "credentials": "credentials",
            "hosts": "credentials",
            "unpack": "unpacking",
            "layout": "unpacking",
        },
        slow=(),
        last=(),
    ),
}


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a syntax tree, everything else as ever."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = ".".join(mutant.path.relative_to(ROOT).with_suffix("").parts)

    def find_spec(self, fullname: str, _path: Sequence[str] | None, _target: object = None) -> ModuleSpec | None:
        """The mutant's own module."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._mutant.path, loader=self)

    def create_module(self, _spec: ModuleSpec) -> None:
        """As usual."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed tree."""
        exec(compile(self._mutant.tree, str(self._mutant.path), "exec"), module.__dict__)  # noqa: S102 - our own source, changed


class _FewExamples:
    """A pytest plugin: property tests with few examples, always the same."""

    def pytest_configure(self, config: pytest.Config) -> None:  # noqa: ARG002 - the hook's
        """Imported here, for pytest must be the first to import it."""
        from hypothesis import settings  # noqa: PLC0415

        settings.register_profile("mutation", max_examples=EXAMPLES, derandomize=True, database=None, deadline=None)
        settings.load_profile("mutation")


def _start(mutant: Mutant, part: Part) -> int:
    """Fork a process that runs the tests over the mutant, and exits with 0 where they pass."""
    process = os.fork()
    if process:
        return process
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    sys.meta_path.insert(0, _Finder(mutant))
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    first = [part.test(part.sources[mutant.path.relative_to(part.folder).with_suffix("").as_posix()])]
    stages = (first, [path for path in part.quick if path not in first], [part.test(name) for name in part.last])
    os._exit(any(pytest.main([*OPTIONS, *map(str, stage)], plugins=[_FewExamples()]) for stage in stages if stage))


def _libraries(part: Part) -> list[str] | None:
    """Run the tests without any mutant: the modules that they import and that are not ours, or None where they fail."""
    reader, writer = os.pipe()
    process = os.fork()
    if not process:
        os.close(reader)
        before = set(sys.modules)
        sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        paths = [*part.quick, *map(part.test, part.last)]
        failed = pytest.main([*OPTIONS, *map(str, paths)], plugins=[_FewExamples()])
        for name in [name for name, module in sys.modules.items() if name not in before and not _is_ours(module)]:
            os.write(writer, f"{name}\n".encode())
        os._exit(failed)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as names:
        found = names.read().split()
    _, status = os.waitpid(process, 0)
    return None if status else found


def _is_ours(module: ModuleType) -> bool:
    """Of this repository, or without a file: what mutants may not find imported."""
    file = getattr(module, "__file__", None)
    return file is None or (Path(file).is_relative_to(ROOT) and "site-packages" not in file)


def _preload(names: Sequence[str]) -> None:
    """Import libraries once, here, rather than in the process of each mutant."""
    for name in names:
        with contextlib.suppress(Exception):  # some are not there to be imported by name
            importlib.import_module(name)


def _outcomes(chosen: Sequence[Mutant], jobs: int, part: Part) -> Iterator[tuple[Mutant, int]]:
    """Each mutant, as it ends, with the exit code of its tests: 0 where they passed, below 0 where time ran out."""
    waiting, running = list(chosen), dict[int, tuple[Mutant, float]]()
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop(0)
            running[_start(mutant, part)] = (mutant, time.monotonic())
        for process, (mutant, since) in list(running.items()):
            if time.monotonic() - since > SECONDS:
                os.kill(process, signal.SIGKILL)
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                del running[process]
                yield mutant, os.waitstatus_to_exitcode(status)
        time.sleep(0.02)


def main() -> int:
    """Run all mutants and print those that survived."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=sorted(PARTS), nargs="?", default="drift", help="what is mutated")
    parser.add_argument("--only", action="append", help="only mutants whose name contains this, or another --only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="tests run at a time")
    options = parser.parse_args()
    part = PARTS[options.part]
    os.chdir(ROOT)
    began = time.monotonic()
    libraries = _libraries(part)
    if libraries is None:
        print("the tests fail without any mutant", file=sys.stderr)
        return 1
    _preload(libraries)
    every = (mutant for name in part.sources for mutant in mutants(part.folder / f"{name}.py"))
    chosen = [mutant for mutant in every if any(only in mutant.name for only in options.only or [""])]
    known = {line for line in KNOWN.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")}
    counted = Counter[str]()
    for mutant, code in _outcomes(chosen, options.jobs, part):
        outcome = "noticed" if code else "known" if mutant.name in known else "survived"
        counted[outcome] += 1
        if outcome == "survived" or code < 0:
            verdict = "survived" if not code else "ran out of time"
            print(f"{mutant.path.relative_to(ROOT)}:{mutant.line}: {verdict}: {mutant.name}", flush=True)
        print(f"\r{counted.total()} of {len(chosen)}", end="", file=sys.stderr, flush=True)
    print(
        f"{len(chosen)} mutants: {counted['noticed']} noticed, {counted['known']} known to change nothing, "
        f"{counted['survived']} survived; {time.monotonic() - began:.0f} s"
    )
    return 1 if counted["survived"] else 0


if __name__ == "__main__":
    sys.exit(main())
