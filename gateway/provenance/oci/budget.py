"""What one look-up may cost: so many requests, and so much time; and how far it may reach."""

from __future__ import annotations

import time

from gateway.provenance.oci.errors import BudgetError, UnreachableError
from gateway.provenance.oci.zone import Zone


class Budget:
    """Handed down to every request of one verification, and spent there."""

    def __init__(self, *, seconds: float, requests: int, zone: Zone = "anywhere") -> None:
        self.spent = 0
        self.zone = zone
        self._requests = requests
        self._until = time.monotonic() + seconds

    @property
    def seconds(self) -> float:
        """What is left of the time; 0 if nothing is."""
        return max(0.0, self._until - time.monotonic())

    def spend(self, what: str) -> None:
        """Take one request from the budget.

        Raises:
            BudgetError: there is none left.
            UnreachableError: there is no time left.
        """
        if self.spent >= self._requests:
            raise BudgetError(f"{what}: more than {self._requests} requests are needed for one artifact")
        if not self.seconds:
            raise UnreachableError(f"{what}: there was no time left to ask")
        self.spent += 1
