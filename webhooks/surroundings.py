"""What a connected cluster tells rules beyond the request: its Namespaces, and other objects where rules look at them."""

from __future__ import annotations

import asyncio

from gateway.core.errors import ClusterError
from gateway.core.subject import Json
from gateway.kube import KubeClient, ResourceType, WatchCache
from policies.rule import INVENTORY, USER, inventory_of
from policies.ruleset import RuleSet
from webhooks.inventory import Inventory

NAMESPACES = ResourceType("", ("v1",), "namespaces")
_LOOK_SECONDS = 1.0
"""How long a Namespace is asked for that is not there yet: it was made a moment ago."""


class ClusterSurroundings:
    """The :class:`policies.surroundings.Surroundings` of a connected cluster.

    ``kinds``: types of objects that rules see beside those that they name themselves. The inventory is written into
    rules (:meth:`feed`), and follows the cluster within fractions of a second.
    """

    def __init__(self, client: KubeClient, kinds: tuple[str, ...]) -> None:
        self._client = client
        self._configured = frozenset(kinds)
        self._namespaces = WatchCache(client, NAMESPACES, _namespace)
        self._inventory = Inventory(client)

    async def feed(self, rules: RuleSet) -> None:
        """Keep the objects that these rules look at known to them.

        Raises:
            UndecidedError: the rules do not take them.
        """
        await self._inventory.feed(rules.inventory | self._configured, rules.put_inventory)

    def starve(self, rules: RuleSet) -> None:
        """These rules are no longer in force."""
        self._inventory.starve(rules.put_inventory)

    @property
    def known(self) -> frozenset[str]:
        """Who asks; each type of objects that was read; the inventory as such, if what is configured was read."""
        read = self._inventory.known
        whole = {INVENTORY} if self._configured and self._configured <= read else set()
        return frozenset({USER, *map(inventory_of, read)} | whole)

    def namespace(self, name: str) -> Json | None:
        """The Namespace object, without managed fields; None if it is not known."""
        return self._namespaces.get("", name)

    async def look(self, name: str) -> Json | None:
        """The Namespace object, asked for: a new one may not have been heard of yet."""
        if not self._namespaces.synced:
            return None
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                return _namespace(await self._client.get(NAMESPACES.path("v1", name=name)))
        except (ClusterError, TimeoutError):
            return None

    def checks(self) -> dict[str, bool | str]:
        """By what rules need, whether it was read; else why not."""
        namespaces = self._namespaces.synced or self._namespaces.problem
        return {str(NAMESPACES): namespaces, **self._inventory.checks()}

    def start(self) -> None:
        """Begin to list and watch Namespaces."""
        self._namespaces.start()

    async def close(self) -> None:
        """Stop."""
        await self._namespaces.close()
        await self._inventory.close()


def _namespace(document: Json) -> Json:
    document = {"apiVersion": "v1", "kind": "Namespace", **document}
    document["metadata"].pop("managedFields", None)
    return document
