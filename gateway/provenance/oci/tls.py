"""TLS with registries: whose certificates are trusted, and the certificate that is shown to those who ask for one.

Keys are handed to the TLS library through memory: it wants names of files, and keys do not belong on disks.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from gateway.core.errors import ConfigError

_MAX_CONTEXTS = 64
MAX_PEM_BYTES = 1024 * 1024


class Material(msgspec.Struct, frozen=True):
    """PEM: ``ca``, whose certificates are trusted (empty: the system's); ``certificate`` and ``key``, what is shown."""

    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = b""

    def __repr__(self) -> str:
        return "Material(…)"

    def __bool__(self) -> bool:
        return bool(self.ca or self.certificate)

    @property
    def fingerprint(self) -> str:
        """Tells materials apart; nothing of them can be had back from it."""
        return hashlib.sha256(msgspec.msgpack.encode(self)).hexdigest()


class Contexts:
    """One context for each material, so that connections are kept; the least recently used is let go of."""

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[str, bool], ssl.SSLContext] = OrderedDict()

    def of(self, material: Material, *, system: bool = False) -> ssl.SSLContext:
        """The context of a material. ``system``: the system's certificates are trusted beside its own.

        Raises:
            ConfigError: it cannot be used; the text quotes nothing of it.
        """
        key = (material.fingerprint, system)
        if key not in self._made:
            self._made[key] = _context(material, system=system)
            if len(self._made) > _MAX_CONTEXTS:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]


def check_material(material: Material) -> None:
    """That TLS can be spoken with it.

    Raises:
        ConfigError: not so; the text quotes nothing of it.
    """
    _context(material, system=False)


def _context(material: Material, *, system: bool) -> ssl.SSLContext:
    if bool(material.certificate) != bool(material.key):
        raise ConfigError("a client certificate and its key belong together")
    if max(len(material.ca), len(material.certificate), len(material.key)) > MAX_PEM_BYTES:
        raise ConfigError(f"certificates or a key of more than {MAX_PEM_BYTES} bytes")
    context = _trusting(material.ca)
    if material.ca and system:
        context.load_default_certs()
    if material.certificate:
        try:
            with _in_memory(material.certificate + b"\n" + material.key) as place:
                # A key with a passphrase would be asked for at the terminal.
                context.load_cert_chain(place, password=lambda: "")
        except (OSError, ValueError):
            problem = "no client certificate with its key that can be used (PEM, without a passphrase)"
            raise ConfigError(problem) from None
    return context


def _trusting(ca: bytes) -> ssl.SSLContext:
    if not ca:
        return ssl.create_default_context()
    try:
        with _in_memory(ca) as place:
            return ssl.create_default_context(cafile=place)
    except OSError:
        raise ConfigError("no certificates that can be used (PEM)") from None


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    descriptor = os.memfd_create("registry-tls", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
