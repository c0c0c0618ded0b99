"""How ``govgate verify`` gets at an artifact: by which credentials, with TLS or without, or in a folder."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from gateway.config.provenance import Provenance, RegistrySettings
from gateway.core.errors import GovgateError, UsageError
from gateway.provenance.oci.budget import Budget
from gateway.provenance.oci.credentials import Credential, Given, Keychain, default_docker_config, read_docker_config
from gateway.provenance.oci.hosts import Hosts
from gateway.provenance.oci.layout import Layout
from gateway.provenance.oci.names import Names
from gateway.provenance.oci.reference import LayoutReference, Reference
from gateway.provenance.oci.registry import Registry
from gateway.provenance.oci.source import Source

_MAX_SECRET_BYTES = 64 * 1024
_REQUESTS = 1_000


class Access(msgspec.Struct, frozen=True):
    """What the configuration and the command line say about it."""

    settings: Provenance
    plain_http: bool = False
    ca_file: str = ""
    credential: Credential | None = None
    timeout_seconds: float = 60.0


@asynccontextmanager
async def opened(
    reference: Reference | LayoutReference, access: Access, *, digest: str = ""
) -> AsyncIterator[tuple[Source, str]]:
    """Where to read from, and the digest that the reference stands for: resolved once, here, unless it is given.

    Raises:
        RegistryError: it cannot be resolved.
        UsageError: the options contradict each other.
    """
    known = digest or reference.digest
    if isinstance(reference, LayoutReference):
        layout = Layout(reference)
        yield layout, known or (await layout.manifest(reference.tag)).digest if reference.tag else await layout.only()
        return
    registry = Registry(Hosts(_registries(reference.registry, access)))
    try:
        budget = Budget(seconds=access.timeout_seconds, requests=_REQUESTS)
        repository = registry.repository(reference, budget, _keychain(reference.registry, access))
        yield repository, known or (await repository.manifest(reference.tag)).digest
    finally:
        await registry.close()


def credential_of(username: str, *, password_stdin: bool, token_file: Path | None) -> Credential | None:
    """The credential of the command line; None to take those of the docker command.

    Raises:
        UsageError: the options contradict each other.
        GovgateError: the secret cannot be read.
    """
    if token_file is not None:
        if username or password_stdin:
            raise UsageError("--token-file, or --username with --password-stdin, not both")
        return Credential(bearer=_secret(token_file))
    if bool(username) != password_stdin:
        raise UsageError("--username and --password-stdin belong together")
    return Credential(username, _secret(None)) if username else None


def _registries(host: str, access: Access) -> list[RegistrySettings]:
    configured = access.settings.registries
    if not access.plain_http and not access.ca_file:
        return list(configured)
    if access.plain_http and access.ca_file:
        raise UsageError("--plain-http or --ca-file, not both")
    known = next((one for one in configured if Names([one]).settings(host) is not None), RegistrySettings((host,)))
    return [
        *configured,
        msgspec.structs.replace(known, hosts=(host,), plain_http=access.plain_http, ca_file=access.ca_file),
    ]


def _keychain(host: str, access: Access) -> Keychain:
    if access.credential is not None:
        return Given(host, access.credential)
    path = access.settings.docker_config
    return read_docker_config(path) if path else default_docker_config()


def _secret(path: Path | None) -> str:
    """One line from a file, or from standard input."""
    name = str(path) if path is not None else "standard input"
    try:
        if path is None:
            data = sys.stdin.buffer.read(_MAX_SECRET_BYTES + 1)
        else:
            with path.open("rb") as file:
                data = file.read(_MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise GovgateError(f"cannot read {name}: {error.strerror}") from None
    try:
        text = data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable() or len(data) > _MAX_SECRET_BYTES:
        raise GovgateError(f"{name}: expected one line with the secret")
    return text
