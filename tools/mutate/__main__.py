"""Switch off every rule and condition of a part of the house, one at a time, and see whether a test fails.

The sources stay as they are: each mutant is compiled from a changed syntax tree in a forked process, which then runs the
part's unit tests, their examples few and always the same. A mutant that no test notices has survived. The exit
code is 1 if one survived that ``known.txt`` does not list as changing nothing.

    python tools/mutate [drift|signatures|trust|sources|oci] [--only SUBSTRING] [--jobs N]
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from mutations import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
KNOWN = Path(__file__).with_name("known.txt")

EXAMPLES = 15
SECONDS = 90.0


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
            "decoding": "legacy",
            "verify": "defects",
            "refusal": "defects",
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


def _start(mutant: Mutant | None, part: Part) -> int:
    """Fork a process that runs the tests over the mutant, and exits with 0 where they pass."""
    process = os.fork()
    if process:
        return process
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    if mutant is not None:
        sys.meta_path.insert(0, _Finder(mutant))
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    name = "" if mutant is None else mutant.path.relative_to(part.folder).with_suffix("").as_posix()
    first = [part.test(part.sources[name])] if name else []
    stages = (first, [path for path in part.quick if path not in first], [part.test(name) for name in part.last])
    options = ["-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-o", "timeout=0"]
    os._exit(any(pytest.main([*options, *map(str, stage)], plugins=[_FewExamples()]) for stage in stages if stage))


def _outcomes(chosen: Sequence[Mutant | None], jobs: int, part: Part) -> dict[int, bool]:
    """By position, whether the tests passed; a mutant that runs out of time has been noticed."""
    waiting, running, passed = list(enumerate(chosen)), dict[int, tuple[int, float]](), dict[int, bool]()
    while waiting or running:
        while waiting and len(running) < jobs:
            at, mutant = waiting.pop(0)
            running[_start(mutant, part)] = (at, time.monotonic())
        for process, (at, since) in list(running.items()):
            if time.monotonic() - since > SECONDS:
                os.kill(process, signal.SIGKILL)
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                del running[process]
                passed[at] = os.waitstatus_to_exitcode(status) == 0
                print(f"\r{len(passed)} of {len(chosen)}", end="", file=sys.stderr, flush=True)
        time.sleep(0.05)
    return passed


def main() -> int:
    """Run all mutants and print those that survived."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=sorted(PARTS), nargs="?", default="drift", help="what is mutated")
    parser.add_argument("--only", default="", help="only mutants whose name contains this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="tests run at a time")
    options = parser.parse_args()
    part = PARTS[options.part]
    os.chdir(ROOT)
    began = time.monotonic()
    if not _outcomes([None], 1, part)[0]:
        print("the tests fail without any mutant", file=sys.stderr)
        return 1
    every = (mutant for name in part.sources for mutant in mutants(part.folder / f"{name}.py"))
    chosen = [mutant for mutant in every if options.only in mutant.name]
    passed = _outcomes(chosen, options.jobs, part)
    known = {line for line in KNOWN.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")}
    survived = [mutant for at, mutant in enumerate(chosen) if passed[at]]
    unknown = [mutant for mutant in survived if mutant.name not in known]
    for mutant in unknown:
        print(f"{mutant.path.relative_to(ROOT)}:{mutant.line}: survived: {mutant.name}")
    print(
        f"{len(chosen)} mutants: {len(chosen) - len(survived)} noticed, {len(survived) - len(unknown)} known to change "
        f"nothing, {len(unknown)} survived; {time.monotonic() - began:.0f} s"
    )
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
