"""Sealing 1,000 Secrets: one ``govgate seal`` beside one call of kubeseal for each; and what a controller has to decide
about 4,000 objects after a restart. The key has 4,096 bits, as the controller's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from support.tools import tool

from bench.environment import Row
from gateway_secrets.sealed.keyring import new_key, ring_of
from gateway_secrets.sealed.objects import Secret
from gateway_secrets.sealed.reconcile import Action, decide
from gateway_secrets.sealed.scope import Scope
from gateway_secrets.sealed.sealing import Sealing, seal_secret

SECRETS = 1_000
VALUES = 2
SAMPLE = 50
"""Calls of kubeseal that are timed: all take the same, and 1,000 would take half a minute."""
ROUNDS = 3
OBJECTS = 4_000


def measure(folder: Path) -> dict[str, Any]:
    """Seconds for all Secrets: in one command, sealed again unchanged, and by kubeseal one after the other."""
    certificate, many, one = _files(folder)
    govgate = [sys.executable, "-m", "gateway", "seal", str(many), "--cert", str(certificate)]
    written = folder / "sealed.yaml"
    fresh = [_timed(govgate, folder) for _ in range(ROUNDS)]
    _timed([*govgate, "-w", str(written)], folder)
    before = written.read_bytes()
    unchanged = [_timed([*govgate, "-w", str(written)], folder) for _ in range(ROUNDS)]
    kubeseal = [tool("kubeseal"), "--cert", str(certificate), "-o", "yaml", "-f", str(one)]
    calls = sorted(_timed(kubeseal, folder) for _ in range(SAMPLE))
    median = calls[len(calls) // 2]
    return {
        "secrets": SECRETS,
        "values_each": VALUES,
        "govgate_seconds": round(min(fresh), 3),
        "govgate_unchanged_seconds": round(min(unchanged), 3),
        "unchanged_is_identical": written.read_bytes() == before,
        "kubeseal_calls_timed": SAMPLE,
        "kubeseal_ms_each": {"p50": round(median * 1000, 1), "p99": round(calls[-1] * 1000, 1)},
        "kubeseal_seconds": round(median * SECRETS, 1),
        "times_faster": round(median * SECRETS / min(fresh), 1),
        "after_restart": _restart(),
    }


def rows(found: dict[str, Any]) -> list[Row]:
    """What to print, beside the goals."""
    restart = found["after_restart"]
    return [
        (f"kubeseal: {SECRETS:,} Secrets, a call each", f"{found['kubeseal_seconds']} s", ""),
        ("  govgate seal, one command", f"{found['govgate_seconds']} s ({found['times_faster']} times)", "≥ 20 times"),
        ("  sealed again, nothing changed", f"{found['govgate_unchanged_seconds']} s", ""),
        (f"{OBJECTS:,} SealedSecrets after a restart", f"{restart['by_marks_seconds']} s", "seconds"),
        ("  if each was opened", f"{restart['by_opening_seconds']} s", ""),
    ]


def _restart() -> dict[str, Any]:
    """Seconds to decide about objects whose Secrets are in sync, one core: by their marks, and by opening each of a sample."""
    now = datetime.now(UTC)
    ring = ring_of([new_key("kube-system", now)]).ring
    how = Sealing(ring.newest.certificate, now, notes=False)
    objects = []
    for index in range(OBJECTS):
        values = {f"key{number}": f"value {index} {number}".encode() for number in range(VALUES)}
        document = seal_secret(Secret(f"s{index}", "web", values), Scope.STRICT, how).document
        document["metadata"]["uid"] = f"u-{index}"
        objects.append(document)
    sample = objects[:: OBJECTS // SAMPLE]
    started = time.perf_counter()
    opened = [decide(document, ring, None).action for document in sample]
    opening = (time.perf_counter() - started) / len(sample)
    made = [decide(document, ring, None).secret for document in objects]
    started = time.perf_counter()
    decided = [decide(document, ring, secret).action for document, secret in zip(objects, made, strict=True)]
    seconds = time.perf_counter() - started
    return {
        "objects": OBJECTS,
        "values_each": VALUES,
        "all_recognised": set(decided) == {Action.NONE} and set(opened) == {Action.CREATE},
        "by_marks_seconds": round(seconds, 3),
        "opened_sample": len(sample),
        "by_opening_seconds": round(opening * OBJECTS, 1),
    }


def _files(folder: Path) -> tuple[Path, Path, Path]:
    """A certificate, the manifests of all Secrets in one file, and that of one."""
    key, name, now = generate_private_key(65537, 4096), x509.Name([]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=3650))
    files = folder / "cert.pem", folder / "many.yaml", folder / "one.yaml"
    files[0].write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    documents = [_secret(index) for index in range(SECRETS)]
    files[1].write_text("".join(documents), encoding="utf-8")
    files[2].write_text(documents[0], encoding="utf-8")
    return files


def _secret(index: int) -> str:
    values = "".join(f"  key{number}: value {index} {number}\n" for number in range(VALUES))
    return f"---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: s{index}\n  namespace: web\nstringData:\n{values}"


def _timed(command: list[str], folder: Path) -> float:
    environment = {**os.environ, "XDG_CONFIG_HOME": str(folder), "KUBECONFIG": os.devnull}
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - started
