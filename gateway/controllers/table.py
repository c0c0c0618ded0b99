"""The loops that a controller runs."""

from __future__ import annotations

from gateway.controllers.frame import Maker
from gateway.controllers.scan.loop import scan_loop

MAKERS: tuple[Maker, ...] = (scan_loop,)
