"""Bounds on what one process takes, as named fields with units."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Limits(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Bounds of the admission listener; each worker has its own.

    An API server sends ``object`` and ``oldObject``, each up to its own limit of 3 MiB, in JSON.
    """

    body_bytes: Annotated[int, Meta(ge=65_536, le=67_108_864)] = 12 * 1024 * 1024
    """Largest request body; a larger one is answered 413."""
    held_bytes: Annotated[int, Meta(ge=1_048_576)] = 128 * 1024 * 1024
    """Request bodies held in memory at a time, being read or judged; more are answered 503."""
    concurrency: Annotated[int, Meta(ge=1, le=10_000)] = 128
    """Reviews judged at a time; more are answered 503 at once."""
    connections: Annotated[int, Meta(ge=1, le=100_000)] = 1_024
    """Open connections; more are closed as they come."""
    header_seconds: Annotated[float, Meta(gt=0, le=300)] = 5.0
    """From a connection's, or request's, first byte to the end of its headers; the TLS handshake too."""
    body_seconds: Annotated[float, Meta(gt=0, le=300)] = 10.0
    """From the end of the headers to the end of the body."""
    idle_seconds: Annotated[float, Meta(gt=0, le=3_600)] = 120.0
    """How long a keep-alive connection may be idle."""
    default_deadline_seconds: Annotated[float, Meta(gt=0, le=30)] = 10.0
    """For a request without a ``timeout`` parameter; the API server's own default."""
    deadline_margin_seconds: Annotated[float, Meta(ge=0, le=5)] = 0.2
    """Kept back from the request's ``timeout``, so that the answer still arrives."""
    findings: Annotated[int, Meta(ge=1, le=1_000)] = 50
    """Findings listed for one request; the rest are counted."""
