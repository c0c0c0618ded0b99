"""Configuration of the policy guard: which rules, and how strict."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from gateway.config.opa import Opa
from gateway.core.guard import OnError

RuleAction = Literal["deny", "warn", "audit", "off"]


InventoryKind = Annotated[str, Meta(pattern=r"^([a-z0-9.-]+/)?v[a-z0-9]+/[A-Z][A-Za-z0-9]*$", max_length=400)]
"""Group, version and kind, such as ``networking.k8s.io/v1/Ingress``, ``v1/Service``."""


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

    def names(self, rule: str) -> bool:
        """Whether the setting is about this rule."""
        return any(fnmatchcase(rule, pattern) for pattern in self.rules)


class BundleKey(_Section, frozen=True):
    """A public key that bundles must be signed with. ``algorithm`` as JWS names it; ``scope`` as in the signature."""

    id: str
    file: str
    algorithm: Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"] = "RS256"
    scope: str = ""


class Waivers(_Section, frozen=True):
    """PolicyWaivers. ``max_days``: how far ahead one may expire. ``soon_days``: when it is said that one will."""

    max_days: Annotated[int, Meta(ge=1, le=3650)] = 365
    soon_days: Annotated[int, Meta(ge=0, le=365)] = 14


class KyvernoCommand(_Section, frozen=True):
    """Kyverno's command line. ``command``: its name on PATH, or its path. The others bound one call of it."""

    command: str = "kyverno"
    timeout_seconds: Annotated[float, Meta(gt=0, le=600)] = 60.0
    memory_mebibytes: Annotated[int, Meta(ge=256, le=65_536)] = 2048


class Policy(_Section, frozen=True):
    """The policy guard. ``sources``: built-in sets (``builtin:gitops``), folders, bundles (``.tar.gz``,
    ``oci://…@sha256:…``). ``engine``: where they are evaluated, in this process or by the server ``opa``.
    ``bundle_keys``: with any, every bundle must be signed by one of them. ``timeout_seconds``: of one evaluation.
    ``recycle_seconds``: a worker is replaced when evaluations that were answered run on for so long.
    ``inventory``: types of objects that rules see below ``data.inventory``, beside those they name themselves.
    ``exempt_namespaces`` (globs) are not judged. ``hosts``: those that rules may reach (``http.send`` and its like).
    """

    sources: tuple[str, ...] = ("builtin:gitops", "builtin:secrets")
    engine: Literal["embedded", "opa"] = "embedded"
    opa: Opa = Opa()
    bundle_keys: tuple[BundleKey, ...] = ()
    rules: tuple[RuleSetting, ...] = ()
    timeout_seconds: Annotated[float, Meta(gt=0, le=30)] = 5.0
    on_error: OnError = OnError.DENY
    recycle_seconds: Annotated[float, Meta(gt=0, le=3600)] = 10.0
    exempt_namespaces: tuple[str, ...] = ("kube-system", "kube-node-lease")
    inventory: tuple[InventoryKind, ...] = ()
    waivers: Waivers = Waivers()
    kyverno: KyvernoCommand = KyvernoCommand()
    hosts: tuple[str, ...] = ()
