"""The configuration as typed structures. Every field has a default: with no file, govgate runs and enforces.

Durations are seconds and carry their unit in the name; sizes are bytes. Field names are camelCase in the file.
The reference page is docs/configuration.md.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from gateway.config.breakglass import BreakGlass
from gateway.config.check import Check
from gateway.config.controller import Controller
from gateway.config.doctor import Doctor
from gateway.config.drift import Drift
from gateway.config.policy import Policy
from gateway.config.provenance import Provenance
from gateway.config.secrets import Secrets
from gateway.core.limits import Limits

Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Port = Annotated[int, Meta(ge=0, le=65_535)]

Cleartext = Literal["env", "args", "configMaps"]


class _Section(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class Tls(_Section, frozen=True):
    """Certificate of the admission listener. Both files are re-read when they change.

    ``client_ca_file``: when set, only clients with a certificate of this authority may ask (the API server's
    webhook client certificate). ``client_names``: when set, the certificate's common name must be one of them.
    """

    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    client_names: tuple[str, ...] = ()


class Registration(_Section, frozen=True):
    """The registration that makes the API server ask, watched. ``name``: of the ValidatingWebhookConfiguration; empty: it
    is not watched.

    ``file``: the registration as it should be; else it is what ``govgate webhook-config`` prints for ``service``.
    ``restore``: whether it is put back where somebody changed it (``changed``), or removed it as well (``always``);
    not before it was wrong for ``restore_after_seconds``.
    """

    name: Annotated[str, Meta(pattern=r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$", max_length=253)] = ""
    file: str = ""
    service: Annotated[str, Meta(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$", max_length=63)] = "govgate"
    restore: Literal["never", "changed", "always"] = "never"
    restore_after_seconds: Seconds = 120.0


class Server(_Section, frozen=True):
    """The admission listener and its processes.

    ``health_port`` serves /livez, /readyz and /metrics in plain HTTP to kubelet and Prometheus.
    ``drain_seconds``: how long a stopping server is not ready but still answers.
    ``grace_seconds``: how long requests in flight may take after that.
    """

    host: str = "0.0.0.0"  # noqa: S104 - a webhook is reached from the API server's node
    port: Port = 8443
    health_host: str = "0.0.0.0"  # noqa: S104 - kubelet probes come from the node
    health_port: Port = 8080
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    drain_seconds: Seconds = 5.0
    grace_seconds: Seconds = 20.0
    reload_seconds: Annotated[float, Meta(gt=0, le=3600)] = 1.0
    tls: Tls = Tls()
    limits: Limits = Limits()
    registration: Registration = Registration()


class Cluster(_Section, frozen=True):
    """Where the Kubernetes API is. ``auto`` uses the pod's service account, if there is one; ``none`` never connects."""

    connect: Literal["auto", "none", "in-cluster", "kubeconfig"] = "auto"
    kubeconfig: str = ""
    context: str = ""
    own_namespace: str = "govgate-system"


class Bodies(_Section, frozen=True):
    """Which bodies are kept beside the chain, for replay. Secret values are always replaced by keyed digests;
    environment values, arguments and ConfigMap data too, unless named in ``cleartext``.
    """

    capture: Literal["all", "findings", "none"] = "all"
    cleartext: tuple[Cleartext, ...] = ()


class Retention(_Section, frozen=True):
    """What is kept. 0 means without bound. Records are pruned up to a signed checkpoint, so the rest verifies."""

    max_age_days: Annotated[float, Meta(ge=0)] = 90.0
    max_bytes: Annotated[int, Meta(ge=0)] = 0


class Audit(_Section, frozen=True):
    """The decision log.

    ``durable`` answers only after the record is on disk; ``batched`` answers at once and can lose at most what was
    decided in the last ``flush_seconds`` or ``queue_records`` records, whichever is less.
    ``on_full``: with no room left, ``refuse`` holds requests back until their deadline and then answers 503;
    ``count`` answers, and records how many decisions were not recorded.
    """

    mode: Literal["batched", "durable"] = "batched"
    state_dir: str = ""
    flush_seconds: Annotated[float, Meta(gt=0, le=10)] = 0.05
    queue_records: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    on_full: Literal["refuse", "count"] = "refuse"
    checkpoint_records: Annotated[int, Meta(ge=1)] = 1_000
    checkpoint_seconds: Annotated[float, Meta(gt=0)] = 60.0
    bodies: Bodies = Bodies()
    retention: Retention = Retention()


class OptOut(_Section, frozen=True):
    """Namespaces that an administrator took out of enforcement. Findings there are recorded, never enforced."""

    namespaces: tuple[str, ...] = ()
    reason: str = ""


class Config(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The whole configuration. ``mode: audit`` records every finding and enforces none."""

    api_version: Literal["govgate.dev/v1alpha1"] = "govgate.dev/v1alpha1"
    kind: Literal["Configuration"] = "Configuration"
    mode: Literal["enforce", "audit"] = "enforce"
    opt_out: OptOut = OptOut()
    server: Server = Server()
    cluster: Cluster = Cluster()
    drift: Drift = Drift()
    break_glass: BreakGlass = BreakGlass()
    policy: Policy = Policy()
    provenance: Provenance = Provenance()
    check: Check = Check()
    doctor: Doctor = Doctor()
    controller: Controller = Controller()
    secrets: Secrets = Secrets()
    audit: Audit = Audit()
    stores: dict[str, str] = {}
    """Where secrets are read from: names, each with the file that holds its SecretStore."""


def config_digest_input(config: Config) -> bytes:
    """What of the configuration decides: the bytes that the rules digest covers (listeners, paths and audit left out)."""
    parts = (
        config.mode,
        config.opt_out,
        config.drift,
        config.policy,
        config.secrets,
        config.provenance,
        config.break_glass,
    )
    return msgspec.json.encode(parts, order="deterministic")
