"""Listening sockets, one for each worker slot on one port.

The supervisor binds them and keeps them open: while a worker is replaced, connections wait in its socket's queue.
"""

from __future__ import annotations

import socket

from gateway.core.errors import ConfigError

BACKLOG = 1024


def bind_slots(host: str, port: int, slots: int) -> list[socket.socket]:
    """``slots`` listening sockets on the same address; port 0 has the kernel choose one.

    The kernel spreads connections over sockets that share a port by ``SO_REUSEPORT``.

    Raises:
        ConfigError: the address cannot be had: it is in use, not local, or needs a privilege.
    """
    # First without SO_REUSEPORT: with it, another govgate on this port would silently share its traffic.
    first = _bind(host, port, shared=False)
    if slots == 1:
        return [_listen(first)]
    chosen = first.getsockname()[1]
    first.close()
    sockets: list[socket.socket] = []
    try:
        sockets.extend(_bind(host, chosen, shared=True) for _ in range(slots))
    except ConfigError:
        for sock in sockets:
            sock.close()
        raise
    return [_listen(sock) for sock in sockets]


def bind_one(host: str, port: int) -> socket.socket:
    """One listening socket.

    Raises:
        ConfigError: as :func:`bind_slots`.
    """
    return _listen(_bind(host, port, shared=False))


def address(sock: socket.socket) -> str:
    """``host:port`` of a bound socket, an IPv6 host in brackets."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}: {error.strerror}") from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(target)
    except OSError as error:
        sock.close()
        raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror}") from None
    return sock


def _listen(sock: socket.socket) -> socket.socket:
    sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock
