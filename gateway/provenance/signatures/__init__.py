"""Signature formats and how they are verified: bytes in, evidence out, no I/O.

``verify`` judges candidates; ``legacy``, ``bundle``, ``notation_jws`` and ``notation_cose`` read formats; ``keyed``,
``keyless`` and ``notation`` verify who signed; ``log``, ``timestamps`` and ``certificates`` verify what vouches for it;
``keys``, ``identities`` and ``root`` are what is trusted. See docs/signatures.md.
"""

from gateway.provenance.signatures.verify import prepare, verify_candidates

__all__ = ["prepare", "verify_candidates"]
