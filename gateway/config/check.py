"""Configuration of ``govgate check``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Check(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What pull requests may do. ``suppressions``: whether comments in manifests accept findings at all.

    ``protected_rules`` (globs) are never suppressed. ``max_days``: how far ahead a suppression may last.
    """

    suppressions: bool = True
    protected_rules: tuple[str, ...] = ()
    max_days: Annotated[int, Meta(ge=1, le=3650)] = 365
