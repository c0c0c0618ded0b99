"""Which of several controllers works on a namespace: each has a part of them, by a hash of the name. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import msgspec

from gateway.core.errors import ConfigError

if TYPE_CHECKING:
    from gateway.config.controller import External

_ORDINAL = re.compile(r"-([0-9]{1,4})\Z")


class Shard(msgspec.Struct, frozen=True):
    """One part of ``count``."""

    index: int = 0
    count: int = 1

    def has(self, namespace: str) -> bool:
        """Whether a namespace is in this part."""
        if self.count == 1:
            return True
        digest = hashlib.sha256(namespace.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index


def shard_of(settings: External, host: str) -> Shard:
    """The part of the process on ``host``.

    Raises:
        ConfigError: it cannot be told, or there is no such part.
    """
    if settings.shards == 1:
        return Shard()
    index = settings.shard
    if index < 0:
        ordinal = _ORDINAL.search(host)
        if ordinal is None:
            raise ConfigError(
                f"controller.external.shard: the host's name, {host!r}, does not end in a number: run it as a StatefulSet, "
                "or say which shard it is"
            )
        index = int(ordinal[1])
    if index >= settings.shards:
        raise ConfigError(f"controller.external.shard: there is no shard {index} of {settings.shards}")
    return Shard(index, settings.shards)
