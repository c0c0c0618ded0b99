"""What a replica tells of itself at ``/rules``: by which rules its workers judge, and which certificate they show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from gateway import __version__
from gateway.core.subject import Json
from gateway.server.slots import InForce, Slot


class Replica:
    """One server, as ``govgate doctor`` compares it with the others. Nothing that it tells is a secret."""

    def __init__(self, in_force: InForce, slots: Sequence[Slot]) -> None:
        self._in_force = in_force
        self._slots = slots

    def document(self) -> Json:
        """``workers``: the digest of what each judges by, empty while it is not ready; ``certificate``: PEM; ``time``: by its clock."""
        material = self._in_force.material
        return {
            "version": __version__,
            "workers": {slot.name: slot.rules if slot.ready.is_set() else "" for slot in self._slots},
            "certificate": material.certificate.decode("ascii", "replace") if material is not None else "",
            "time": datetime.now(UTC).isoformat(),
        }
