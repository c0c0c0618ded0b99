"""What it costs to have the verification of signatures in the house."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GATEWAY = Path(__file__).resolve().parents[3] / "gateway"


def test_sigstore_is_imported_only_where_an_identity_is_trusted():
    """It takes a third of a second and much memory: keys do without it, and without those of time stamps and COSE too."""
    code = (
        "import sys\n"
        "from gateway.provenance.evidence import Authority, Identity, Key\n"
        "from gateway.provenance.signatures import prepare\n"
        "from gateway.provenance.signatures.root import read_root\n"
        "read_root(b'')\n"
        "print([name for name in ('sigstore.verify', 'pydantic', 'rfc3161_client', 'cbor2', 'nacl') if name in sys.modules])\n"
        "prepare([Authority('a', identities=(Identity('https://issuer.test', 'me'),))])\n"
        "print('sigstore.verify' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\nTrue\n"


def test_each_foreign_library_has_one_adapter():
    """sigstore-python, the libraries of time stamps, of CBOR and of Ed25519ph, and RE2 are each imported by one module."""
    for library, adapter in (
        ("sigstore", "sigstore_python"),
        ("rfc3161_client", "timestamps"),
        ("cbor2", "cbor"),
        ("nacl", "ed25519ph"),
        ("re2", "identities"),
    ):
        importers = [
            path.stem
            for path in GATEWAY.rglob("*.py")
            for line in path.read_text().splitlines()
            if line.split()[:2] in (["import", library], ["from", library])
            or line.strip().startswith(f"from {library}.")
        ]
        assert set(importers) == {adapter}
