"""Configuration of an OPA server that rules are evaluated by, and of the decisions that are asked of it in place."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from gateway.core.finding import Action, Severity


class _Section(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class Decision(_Section, frozen=True):
    """A document of the server that is asked about requests, whoever put its rules there. It is the rule ``opa/NAME``.

    ``path``: below ``data``, with slashes or dots. ``input``: what it is given; ``result``: what it gives. ``needs``: what
    must be known beyond the object. ``parameters`` go with the input, but not with an object alone. ``message``: of a
    finding where the result has none.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*)*$", max_length=200)]
    path: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)*$", max_length=400)]
    input: Literal["review", "admissionReview", "object"] = "review"
    result: Literal["messages", "findings", "allow", "review"] = "messages"
    title: str = ""
    message: str = ""
    severity: Severity = Severity.MEDIUM
    action: Action = Action.DENY
    kinds: tuple[str, ...] = ("*",)
    operations: tuple[str, ...] = ("CREATE", "UPDATE")
    needs: tuple[Literal["namespace", "user"], ...] = ()
    parameters: dict[str, Any] = {}


class Opa(_Section, frozen=True):
    """An OPA server. ``url``: ``https://``, ``http://`` or ``unix:///path``. Files are read again when they change.

    ``concurrency``: requests of a process at a time. ``answer_bytes``: the largest answer. ``connect_seconds``: of one
    connection. ``load_seconds``: for handing it the rules. After ``breaker_failures`` failures in a row it is not asked for
    ``breaker_seconds``, then once, to see.
    """

    url: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    token_file: str = ""
    concurrency: Annotated[int, Meta(ge=1, le=1000)] = 16
    answer_bytes: Annotated[int, Meta(ge=65_536, le=64 * 1024 * 1024)] = 4 * 1024 * 1024
    connect_seconds: Annotated[float, Meta(gt=0, le=30)] = 2.0
    load_seconds: Annotated[float, Meta(gt=0, le=55)] = 45.0
    breaker_failures: Annotated[int, Meta(ge=1, le=1000)] = 5
    breaker_seconds: Annotated[float, Meta(gt=0, le=600)] = 5.0
    decisions: tuple[Decision, ...] = ()


class Address(msgspec.Struct, frozen=True):
    """Where a server is: a host and a port, or else a Unix socket."""

    host: str
    port: int = 80
    tls: bool = False
    socket: str = ""

    @property
    def private(self) -> bool:
        """Whether nobody on the way can read along."""
        return self.tls or bool(self.socket) or _loopback(self.host)


def address_of(url: str) -> Address:
    """The address that a URL names.

    Raises:
        ValueError: it is none that can be asked.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix":
        if parts.netloc or not parts.path.startswith("/"):
            raise ValueError("a Unix socket is named as unix:///path")
        return Address("localhost", socket=parts.path)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it must begin with https://, http:// or unix:///")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it holds no credentials: tokenFile names them")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("nothing may follow the port")
    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    return Address(f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname, port, tls)


def problem_of(opa: Opa, *, engine: bool) -> str:
    """What types cannot say: the field and what is wrong with it; empty if nothing is. ``engine``: rules are evaluated there."""
    if not opa.url:
        return "opa.url: name the OPA server" if engine or opa.decisions else ""
    try:
        address = address_of(opa.url)
    except ValueError as error:
        return f"opa.url: {error}"
    if bool(opa.cert_file) != bool(opa.key_file):
        return "opa: certFile and keyFile belong together"
    if not address.tls and (opa.ca_file or opa.cert_file):
        return "opa.url: certificates need https://"
    if opa.token_file and not address.private:
        return "opa.tokenFile: a token goes by https://, to this machine, or to a Unix socket only"
    names = [decision.name for decision in opa.decisions]
    twice = next((name for name in names if names.count(name) > 1), "")
    return f"opa.decisions: {twice} is there twice" if twice else ""


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
