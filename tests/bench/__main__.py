"""``make bench``: measure, compare with the goals, write ``bench-results/<time>.json``. Says what was measured.

python -m bench [NAME…]     without a name, everything
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from bench import environment

RESULTS = Path("bench-results")
BENCHES: dict[str, tuple[str, tuple[str, ...]]] = {
    "decision": ("drift decision", ()),
    "provenance": ("signatures", ()),
    "evidence": ("artifacts", ()),
    "server": ("server under load", ("loadgen",)),
    "gatekeeper": ("beside Gatekeeper", ("loadgen", "etcd", "kube-apiserver", "gatekeeper")),
    "kyverno": ("beside Kyverno", ("loadgen", "etcd", "kube-apiserver", "helm", "kyverno-admission")),
    "checking": ("govgate check beside conftest", ("conftest",)),
    "footprint": ("in a cluster with 1,000 CRDs", ("loadgen", "etcd", "kube-apiserver")),
    "sealing": ("govgate seal beside kubeseal", ("kubeseal",)),
    "unsealing": ("govgate controller with 4,000 SealedSecrets", ("etcd", "kube-apiserver", "kubeseal")),
    "external": ("ExternalSecrets", ("etcd", "kube-apiserver")),
    "detection": ("govgate detect", ()),
    "sops_files": ("govgate sops verify beside sops", ()),
}
"""What is measured, by the module that measures it (``measure``, ``rows``), and the pinned tools that it needs."""


def main(names: list[str]) -> int:
    """Run everything; the exit code says whether it ran, not whether goals were met."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        say(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
        return 64
    chosen = names or list(BENCHES)
    tools = sorted({tool for name in chosen for tool in BENCHES[name][1]})
    if tools:
        subprocess.run([sys.executable, "tools/build.py", *tools], check=True)
    results: dict[str, Any] = {"environment": environment.stamp()}
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{results['environment']['time'].replace(':', '')}.json"
    for name in chosen:
        say(f"{BENCHES[name][0]} …")
        bench = import_module(f"bench.{name}")
        with tempfile.TemporaryDirectory(prefix="govgate-bench-") as folder:
            results[name] = bench.measure(Path(folder))
        target.write_text(json.dumps(results, indent=2), encoding="utf-8")
        for what, value, goal in bench.rows(results[name]):
            sys.stdout.write(f"{what:44} {value:>32}   {goal}\n")
        sys.stdout.flush()
    say(f"written to {target}")
    return 0


def say(text: str) -> None:
    """Progress, on stderr."""
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
