"""Configuration of ``govgate doctor``: which rights are meant to be as they are."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

_Text = Annotated[str, Meta(min_length=1, max_length=1_000)]


class Accepted(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A right that somebody is meant to have.

    ``subject``: who, as findings name it: ``User alice``, ``Group ops``, ``ServiceAccount shop/deployer``. ``rule``: of the
    finding, such as ``doctor/mint-token``. ``powers``: globs (``*`` and ``?``) of what it can do, as the finding says it, with
    the namespace where it does; what none of them covers is told of. Without: whatever it can do by that rule, in every
    namespace. ``reason``: why.
    """

    subject: _Text
    rule: _Text
    reason: _Text
    powers: Annotated[tuple[_Text, ...], Meta(min_length=1)] = ("*",)


class Doctor(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """``accepted``: known holders of rights, shown as accepted. One that nobody has is a finding."""

    accepted: tuple[Accepted, ...] = ()
