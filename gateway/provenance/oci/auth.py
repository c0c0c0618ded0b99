"""What registries want to see before they answer: basic credentials, or a token of their token server.

Source: RFC 7235 (challenges), the distribution project's token authentication specification. A token is asked for by
the scope that is needed, whatever the challenge asks, and kept for whom it was given for: :class:`Reader`.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from yarl import URL

from gateway.provenance.oci.budget import Budget
from gateway.provenance.oci.credentials import Credential
from gateway.provenance.oci.errors import UnauthorisedError
from gateway.provenance.oci.hosts import stranger
from gateway.provenance.oci.http import Request, Sink, Transport
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.tls import Material

_PARAMETER = re.compile(r'([a-zA-Z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_OK = 200
_DEFAULT_SECONDS = 60.0
"""The specification's, for a token without ``expires_in``."""
_MARGIN_SECONDS = 10.0
_MAX_SECONDS = 3_600.0
_MAX_KEPT = 1_000
_CLIENT_ID = "govgate"


class Challenge(msgspec.Struct, frozen=True):
    """One challenge of a 401: ``scheme`` in lower case, parameters by name."""

    scheme: str
    parameters: dict[str, str] = {}


class Reader(NamedTuple):
    """Who reads what: at which registry, within which scope, by which credential, over TLS with which certificates.

    What is kept for one is not sent for another: the same token may have come from another server.
    """

    registry: str
    scope: str
    credential: Credential | None = None
    tls: Material = Material()

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Tells readers apart."""
        fingerprint = self.credential.fingerprint if self.credential is not None else ""
        return self.registry, self.scope, fingerprint, self.tls.fingerprint if self.tls else ""


class _Token(msgspec.Struct, frozen=True):
    token: str = ""
    access_token: str = ""
    expires_in: float = _DEFAULT_SECONDS

    def __repr__(self) -> str:
        return "_Token(…)"


def parse_challenges(headers: Sequence[str]) -> list[Challenge]:
    """The challenges of ``WWW-Authenticate`` headers, one a header, as registries send them."""
    found: list[Challenge] = []
    for header in headers:
        scheme, _, rest = header.strip().partition(" ")
        parameters = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(rest[:8192])}
        found.append(Challenge(scheme.lower(), parameters))
    return found


class Authenticator:
    """Remembers what each host wanted. ``authorization`` before a request, ``answer`` after a 401."""

    def __init__(self, transport: Transport, limits: Limits) -> None:
        self._transport = transport
        self._limits = limits
        self._kept: dict[tuple[str, str, str, str], tuple[str, float]] = {}

    def authorization(self, reader: Reader) -> str:
        """The header's value that was good the last time; empty if none is known."""
        value, until = self._kept.get(reader.key, ("", 0.0))
        return value if time.monotonic() < until else ""

    def forget(self, reader: Reader) -> None:
        """What was kept is not taken any more."""
        self._kept.pop(reader.key, None)

    async def answer(self, reader: Reader, challenges: Sequence[Challenge], budget: Budget) -> str:
        """The header's value that answers the challenges of a 401.

        Raises:
            UnauthorisedError: there is no credential for it, the token server refuses, or may not be asked.
            RegistryError: the token server cannot be asked.
        """
        registry, credential = reader.registry, reader.credential
        bearer = next((c for c in challenges if c.scheme == "bearer"), None)
        if bearer is not None:
            if credential is not None and credential.bearer:
                value, seconds = f"Bearer {credential.bearer}", _DEFAULT_SECONDS
            else:
                value, seconds = await self._token(reader, bearer, budget)
        elif any(c.scheme == "basic" for c in challenges):
            if credential is None or not credential.username:
                raise UnauthorisedError(f"{registry} wants credentials, and there are none for it")
            value, seconds = credential.basic, _MAX_SECONDS
        else:
            raise UnauthorisedError(f"{registry} refuses (HTTP 401), and does not say what it wants")
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
        self._kept[reader.key] = (value, time.monotonic() + seconds)
        return value

    async def _token(self, reader: Reader, challenge: Challenge, budget: Budget) -> tuple[str, float]:
        registry = reader.registry
        realm = stranger(challenge.parameters.get("realm", ""))
        if realm is None:
            raise UnauthorisedError(f"{registry}: the challenge names no token server")
        if not self._transport.hosts.gives_tokens(registry, realm):
            raise UnauthorisedError(
                f"{registry} names the token server {realm.origin()}, which is not beside it: if it is right, "
                "add it to tokenHosts of that registry"
            )
        sink = io.BytesIO()
        answer = await self._transport.send(
            _request(reader, realm, challenge.parameters.get("service", ""), Sink(sink, self._limits.token_bytes)),
            budget,
        )
        if answer.status != _OK:
            how = "the credentials are not taken" if reader.credential else "it gives no token without credentials"
            raise UnauthorisedError(f"{registry}: token server {realm.host}: HTTP {answer.status}: {how}")
        try:
            token = msgspec.json.decode(sink.getvalue(), type=_Token)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            token = _Token()
        value = token.token or token.access_token
        if not value or not value.isascii() or not value.isprintable():
            raise UnauthorisedError(f"{registry}: token server {realm.host}: the answer holds no token")
        return f"Bearer {value}", min(max(token.expires_in - _MARGIN_SECONDS, 0.0), _MAX_SECONDS)


def _request(reader: Reader, realm: URL, service: str, sink: Sink) -> Request:
    credential, scope, what = reader.credential, reader.scope, f"token server {realm.host}"
    if credential is not None and credential.identity:
        form = {"grant_type": "refresh_token", "service": service, "scope": scope, "client_id": _CLIENT_ID}
        form["refresh_token"] = credential.identity
        return Request(realm, sink, what, form=form, owner=reader.registry, tls=reader.tls)
    query = {"service": service, "scope": scope} if service else {"scope": scope}
    headers = {"Authorization": credential.basic} if credential is not None and credential.username else {}
    return Request(realm.update_query(query), sink, what, headers, owner=reader.registry, tls=reader.tls)
