"""Configuration of break-glass: for how long, how often, and who may approve alone in an emergency."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from gateway.core.guard import OnError


class BreakGlass(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Grants of kind BreakGlass. ``enabled``: whether any holds. ``max_minutes``: how far ahead one may expire.

    ``max_uses``: the most that one may allow. ``emergency_groups``: whose members may approve what they asked for
    themselves, which is flagged as critical; none by default. ``on_error``: where it cannot be told who may write one.
    """

    enabled: bool = True
    max_minutes: Annotated[int, Meta(ge=1, le=10_080)] = 240
    max_uses: Annotated[int, Meta(ge=1, le=50)] = 10
    emergency_groups: tuple[str, ...] = ()
    on_error: OnError = OnError.DENY
