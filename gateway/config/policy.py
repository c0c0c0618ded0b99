"""Configuration of the policy guard: which rules, how strict, and where they are evaluated."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from gateway.core.guard import OnError

RuleAction = Literal["deny", "warn", "audit", "off"]


class _Section(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class RuleSetting(_Section, frozen=True):
    """What differs from the rules' own defaults. ``rules`` are ids or globs over them (``pod-security/*``).

    Of several settings that match a rule, the last one holds for the action, and parameters are laid over each other.
    ``namespaces``: only there (globs); a parameter can not depend on the namespace.
    """

    rules: tuple[str, ...]
    action: RuleAction | None = None
    parameters: dict[str, Any] = {}
    namespaces: tuple[str, ...] = ()


class OpaServer(_Section, frozen=True):
    """A remote OPA, for ``engine: opa``. ``upload``: the rules are sent to it; else it has them already."""

    url: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    token_file: str = ""
    upload: bool = True
    breaker_failures: Annotated[int, Meta(ge=1)] = 5
    breaker_seconds: Annotated[float, Meta(gt=0)] = 5.0


class Policy(_Section, frozen=True):
    """The policy guard. ``sources``: built-in sets (``builtin:gitops``), folders, bundles (``.tar.gz``).

    ``exempt_namespaces`` (globs) are not judged. ``network``: rules may reach out (``http.send`` and its like).
    """

    sources: tuple[str, ...] = ("builtin:gitops", "builtin:secrets")
    rules: tuple[RuleSetting, ...] = ()
    on_error: OnError = OnError.DENY
    exempt_namespaces: tuple[str, ...] = ("kube-system", "kube-node-lease")
    engine: Literal["embedded", "opa"] = "embedded"
    opa: OpaServer = OpaServer()
    network: bool = False
