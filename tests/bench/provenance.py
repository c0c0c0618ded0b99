"""Verifying one candidate, bytes in and evidence out: CPU time, settings read before, nothing of the candidate cached."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from support.signing import (
    DIGEST,
    NotationSigner,
    bundle,
    by_identity,
    by_key,
    legacy,
    p256,
    simple_signing,
    verify,
)
from support.sigstack import Stack, sign, statement

from bench.environment import Row
from gateway.provenance.evidence import Authority, Candidate, Levels

ROUNDS = 500


def measure(_folder: Path) -> dict[str, Any]:
    """Median and 99th percentile in µs of CPU for each kind of candidate."""
    results = {}
    for name, (candidate, authority) in _cases().items():
        verify(candidate, authority)
        if not verify(candidate, authority).signed:
            raise RuntimeError(f"{name} does not verify")
        results[name] = _percentiles(lambda c=candidate, a=authority: verify(c, a))
    return {"verify_us": results}


def rows(measured: dict[str, Any]) -> list[Row]:
    """Each kind of candidate, with its goal."""
    goals = {"bundle by key, logged": "≤ 1,000 µs", "bundle by identity, logged": "≤ 3,000 µs"}
    return [
        (f"a signature: {name}", f"{figures['p50']:,.0f} µs of CPU", goals.get(name, ""))
        for name, figures in measured["verify_us"].items()
    ]


def _cases() -> dict[str, tuple[Candidate, Authority]]:
    stack, key, payload, said = Stack(), p256(), simple_signing(), statement(DIGEST)
    root, leaf, notation = stack.root(), stack.leaf(key), NotationSigner()
    keyed, keyless = by_key(key, root=root), by_identity(root)
    lenient = by_identity(root, levels=Levels(allow_tsa_only=True))
    large, edwards, old = ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate(), _rsa()
    strangers = by_key(*(p256() for _ in range(9)), key, root=root)
    return {
        "legacy, P-256": (legacy(payload, sign(key, payload)), keyed),
        "legacy, P-384": (legacy(payload, sign(large, payload, hashes.SHA384())), by_key(large)),
        "legacy, Ed25519": (legacy(payload, sign(edwards, payload)), by_key(edwards)),
        "legacy, RSA-2048": (legacy(payload, old.sign(payload, padding.PKCS1v15(), hashes.SHA256())), by_key(old)),
        "bundle by key": (bundle(stack.envelope(said, key, logged=False)), keyed),
        "bundle by key, logged": (bundle(stack.envelope(said, key)), keyed),
        "bundle by key, logged, tenth of ten keys": (bundle(_without_hint(stack.envelope(said, key))), strangers),
        "bundle by identity, logged": (bundle(stack.envelope(said, key, certificate=leaf)), keyless),
        "bundle by identity, logged and stamped": (
            bundle(stack.envelope(said, key, certificate=leaf, stamped=True)),
            keyless,
        ),
        "bundle by identity, stamped only": (
            bundle(stack.envelope(said, key, certificate=leaf, logged=False, stamped=True)),
            lenient,
        ),
        "Notation, ES256, chain of three": (notation.sign(), notation.authority()),
    }


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _without_hint(document: dict[str, Any]) -> dict[str, Any]:
    document["verificationMaterial"]["publicKey"] = {}
    return document


def _percentiles(function: Callable[[], object]) -> dict[str, float]:
    values = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            started = time.process_time_ns()
            function()
            values.append((time.process_time_ns() - started) / 1000)
    finally:
        gc.enable()
    values.sort()
    return {f"p{p}": round(values[min(ROUNDS - 1, ROUNDS * p // 100)], 1) for p in (50, 90, 99)}
