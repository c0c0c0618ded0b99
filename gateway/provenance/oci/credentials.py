"""Credentials for registries: Docker's configuration, Kubernetes' pull secrets, helper programs.

Source: the configuration file of the docker command line, containers-auth.json(5) (keys with paths), and the
docker-credential-helpers protocol. No value of a credential is ever in an error or in a ``repr``.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import os
import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from gateway.config.files import read_bounded
from gateway.core.errors import ConfigError
from gateway.provenance.oci.errors import UnauthorisedError
from gateway.provenance.oci.names import canonical
from gateway.provenance.oci.reference import DOCKER

MAX_FILE_BYTES = 1024 * 1024
_HELPER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*\Z")
_HELPER_SECONDS = 10.0
_MAX_HELPER_BYTES = 64 * 1024
_DOCKER_KEY = "https://index.docker.io/v1/"
_TOKEN_USER = "<token>"  # noqa: S105 - how helpers mark that the secret is an identity token
_NOT_FOUND = b"credentials not found"


class Credential(msgspec.Struct, frozen=True):
    """A user with a password, or a token: ``identity`` is exchanged for others, ``bearer`` is sent as it is."""

    username: str = ""
    password: str = ""
    identity: str = ""
    bearer: str = ""

    def __repr__(self) -> str:
        return "Credential(…)"

    @property
    def fingerprint(self) -> str:
        """Tells credentials apart; nothing of them can be had back from it."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()

    @property
    def basic(self) -> str:
        """The value of an ``Authorization`` header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class Keychain(Protocol):
    """Where credentials are looked up."""

    async def find(self, registry: str, repository: str) -> Credential | None:
        """The credential for a repository; None to ask anonymously.

        Raises:
            UnauthorisedError: there should be one, and it cannot be had.
        """
        ...


class Anonymous:
    """No credentials."""

    async def find(self, registry: str, repository: str) -> Credential | None:  # noqa: ARG002 - the protocol's
        """None."""
        return None


class Given:
    """One credential, for one registry."""

    def __init__(self, registry: str, credential: Credential) -> None:
        self._registry = registry
        self._credential = credential

    async def find(self, registry: str, repository: str) -> Credential | None:  # noqa: ARG002 - the protocol's
        """The credential, for that registry."""
        return self._credential if registry == self._registry else None


class Chain:
    """Several keychains; the first that has something is taken."""

    def __init__(self, chains: Sequence[Keychain]) -> None:
        self._chains = tuple(chains)

    async def find(self, registry: str, repository: str) -> Credential | None:
        """The first one's credential."""
        for chain in self._chains:
            found = await chain.find(registry, repository)
            if found is not None:
                return found
        return None


class _Auth(msgspec.Struct, frozen=True, rename="lower"):
    auth: str = ""
    username: str = ""
    password: str = ""
    identity_token: str = msgspec.field(default="", name="identitytoken")
    registry_token: str = msgspec.field(default="", name="registrytoken")

    def __repr__(self) -> str:
        return "_Auth(…)"


class _File(msgspec.Struct, frozen=True, rename="camel"):
    auths: dict[str, _Auth] = {}
    cred_helpers: dict[str, str] = {}
    creds_store: str = ""


class DockerConfig:
    """A ``config.json`` (``.dockerconfigjson`` has the same form). ``helpers``: whether helper programs may be run:
    not for what a tenant wrote.
    """

    def __init__(self, data: bytes, *, source: str, helpers: bool) -> None:
        """Read it.

        Raises:
            ConfigError: it is not one; the text quotes nothing of it.
        """
        try:
            self._file = msgspec.json.decode(data, type=_File)
            self._auths = {key: _credential(auth) for key, auth in self._file.auths.items()}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
            raise ConfigError(f"{source}: not a Docker configuration with credentials") from None
        self._helpers = helpers

    async def find(self, registry: str, repository: str) -> Credential | None:
        """The most specific entry's credential; that of a helper program goes before one that is written down."""
        helper = self._helper_of(registry)
        if self._helpers and helper:
            server = _DOCKER_KEY if registry == DOCKER else registry
            found = await ask_helper(helper, server)
            if found is not None:
                return found
        best = max((key for key in self._auths if _covers(key, registry, repository)), key=_parts_of, default=None)
        return self._auths[best] if best is not None else None

    def _helper_of(self, registry: str) -> str:
        named = {_address(key)[0]: helper for key, helper in self._file.cred_helpers.items()}
        return named.get(registry, "") or self._file.creds_store


def read_docker_config(path: str) -> DockerConfig:
    """The configuration at a path.

    Raises:
        ConfigError: it cannot be read.
    """
    data = read_bounded(path, max_bytes=MAX_FILE_BYTES)
    return DockerConfig(data, source=path, helpers=True)


def default_docker_config(environ: Mapping[str, str] = os.environ) -> Keychain:
    """What the docker command would use; none if there is no such file.

    Raises:
        ConfigError: there is one, and it cannot be read.
    """
    folder = environ.get("DOCKER_CONFIG") or (f"{environ['HOME']}/.docker" if environ.get("HOME") else "")
    path = f"{folder}/config.json"
    return read_docker_config(path) if folder and Path(path).exists() else Anonymous()


async def ask_helper(name: str, server: str) -> Credential | None:
    """What ``docker-credential-NAME get`` says about a server; None if it knows none.

    Raises:
        UnauthorisedError: it cannot be run, fails, or takes too long.
    """
    program = f"docker-credential-{name}"
    if not _HELPER.match(name):
        raise UnauthorisedError(f"credential helper {name!r}: not a name")
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise UnauthorisedError(f"{program}: {error.strerror}: is it on PATH?") from None
    try:
        async with asyncio.timeout(_HELPER_SECONDS):
            output = await _converse(process, server)
            code = await process.wait()
    except TimeoutError:
        raise UnauthorisedError(f"{program}: no answer within {_HELPER_SECONDS:g} s") from None
    finally:
        if process.returncode is None:
            _kill(process)
            await process.wait()
    if code != 0:
        if _NOT_FOUND in output:
            return None
        raise UnauthorisedError(f"{program}: failed with exit code {code}")
    return _from_helper(output, program)


async def _converse(process: asyncio.subprocess.Process, server: str) -> bytes:
    if process.stdin is None or process.stdout is None:
        return b""
    with contextlib.suppress(ConnectionError):
        process.stdin.write(server.encode())
        await process.stdin.drain()
    process.stdin.close()
    output = bytearray()
    while len(output) <= _MAX_HELPER_BYTES:
        piece = await process.stdout.read(4096)
        if not piece:
            return bytes(output)
        output += piece
    _kill(process)
    while await process.stdout.read(_MAX_HELPER_BYTES):
        pass
    return b""


def _kill(process: asyncio.subprocess.Process) -> None:
    """With what it started: a helper is often a script."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


class _Answer(msgspec.Struct, frozen=True):
    username: str = msgspec.field(default="", name="Username")
    secret: str = msgspec.field(default="", name="Secret")


def _from_helper(output: bytes, program: str) -> Credential:
    try:
        answer = msgspec.json.decode(output, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UnauthorisedError(f"{program}: the answer is not what a credential helper says") from None
    if answer.username == _TOKEN_USER:
        return Credential(identity=answer.secret)
    return Credential(answer.username, answer.secret)


def _credential(auth: _Auth) -> Credential:
    username, password = auth.username, auth.password
    if auth.auth:
        try:
            text = base64.b64decode(auth.auth, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError from None
        username, _, password = text.rstrip("\x00").partition(":")
    return Credential(username, password, auth.identity_token, auth.registry_token)


def _address(key: str) -> tuple[str, list[str]]:
    """Host and path of an entry's key: ``https://index.docker.io/v1/``, ``ghcr.io``, ``ghcr.io/acme``, ``*.example.com``."""
    host, _, path = re.sub(r"^https?://", "", key).partition("/")
    parts = [part for part in path.split("/") if part]
    host = canonical(host)
    return host, [] if parts in (["v1"], ["v2"]) else parts


def _parts_of(key: str) -> tuple[int, bool]:
    host, path = _address(key)
    return len(path), "*" not in host


def _covers(key: str, registry: str, repository: str) -> bool:
    host, path = _address(key)
    if repository.split("/")[: len(path)] != path:
        return False
    ours, theirs = registry.split("."), host.split(".")
    return len(ours) == len(theirs) and all(
        pattern in ("*", label) for pattern, label in zip(theirs, ours, strict=True)
    )
