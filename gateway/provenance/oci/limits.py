"""Bounds on what is read from registries, as named fields with units."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """One set for a process. A registry is a stranger: everything it sends is bounded."""

    manifest_bytes: int = 4 * 1024 * 1024
    """Of one manifest or index; the size that the distribution specification asks registries to take."""
    signature_bytes: int = 1024 * 1024
    """Of one layer that may be a signature or an attestation."""
    token_bytes: int = 64 * 1024
    """Of a token server's answer."""
    candidates: int = 64
    """Signatures and attestations that are read for one artifact."""
    candidates_bytes: int = 32 * 1024 * 1024
    """Of them together: a few bills of materials, and not all the memory that there is."""
    referrers_pages: int = 8
    """Of one list of referrers."""
    tags_pages: int = 40
    """Of one list of tags; each is asked for with :data:`tags_per_page`, and registries may give fewer."""
    tags_per_page: int = 1_000
    tags: int = 50_000
    """Of one repository."""
    redirects: int = 5
    """Of one request."""
    attempts: int = 3
    """Of one request, where the first ones fail for a reason that may pass."""
    backoff_seconds: float = 0.2
    """Before the second one, about; twice that before the third."""
    at_a_time: int = 8
    """Candidates of one artifact that are read side by side."""
    connections: int = 32
    """To all registries at a time."""
    connections_per_host: int = 8
    connect_seconds: float = 5.0
    silence_seconds: float = 10.0
    """For the next piece of a body to come."""
    pull_bytes: int = 512 * 1024 * 1024
    """Of one artifact that is written into a folder, as it is transferred."""
    unpacked_bytes: int = 1024 * 1024 * 1024
    """Of the same, decompressed, headers of archives included."""
    unpacked_files: int = 50_000
    """Files, links and folders of the same."""
