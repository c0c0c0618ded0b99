"""Signature formats and how they are verified: bytes in, evidence out, no I/O.

``verify`` judges candidates; ``legacy``, ``bundle`` and ``notation`` read formats; ``keyed`` and ``keyless`` verify who
signed; ``log``, ``timestamps`` and ``certificates`` verify what vouches for it; ``keys``, ``identities`` and ``root``
are what is trusted. See docs/signatures.md.
"""

from gateway.provenance.signatures.verify import prepare, verify_candidates

__all__ = ["prepare", "verify_candidates"]
