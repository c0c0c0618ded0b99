"""Inclusion proofs of a Merkle tree. Pure.

Source: RFC 9162 section 2.1.3.2 (the same as RFC 6962's), SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_from_proof(leaf: bytes, index: int, size: int, hashes: Sequence[bytes]) -> bytes | None:
    """The root of the tree of ``size`` leaves in which ``leaf`` (its hash) is the one at ``index``; None if that cannot be.

    ``hashes`` are the proof, from the leaf upwards; every one of them is used.
    """
    if not 0 <= index < size:
        return None
    place, last, found = index, size - 1, leaf
    for sibling in hashes:
        if last == 0:
            return None
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    return found if last == 0 else None
