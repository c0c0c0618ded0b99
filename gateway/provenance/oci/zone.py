"""How far a look-up may reach: whoever may create objects names hosts, and the gateway stands where they may not look.

A registry that only a wildcard of a policy matches is a stranger's. It is reached at public addresses alone, wherever it
redirects and whoever hands out its tokens, and every failure to connect reads the same, so that nobody learns from a
message what is inside. The address is checked as the socket is made: a name that resolves otherwise the second time, or
a number in the place of a name, makes no difference.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Literal

from aiohttp import AddrInfoType

Zone = Literal["anywhere", "public"]

_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses as a translator makes them reachable (RFC 6052)."""


class NotPublicError(OSError):
    """The address is not one of the public internet."""


def is_public(address: str) -> bool:
    """Whether an IP address, as text, is one of the public internet; whatever it embeds is looked at as well."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
        if inner is not None:
            found = inner
    return found.is_global and not found.is_multicast


def public_socket(address: AddrInfoType) -> socket.socket:
    """A socket for a connection to a public address.

    Raises:
        NotPublicError: it is none.
    """
    family, kind, protocol, _, where = address
    if not is_public(str(where[0])):
        raise NotPublicError
    return socket.socket(family, kind, protocol)
