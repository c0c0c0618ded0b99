"""What is below ``spec.provider.NAME`` of a store, read and checked without opening it, nor importing what opens it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gateway_secrets.stores import aws_spec, azure_spec, gcp_spec, kubernetes_spec, vault_spec


class Provider(NamedTuple):
    """``spec``: the struct that it is read into. ``check`` raises MisconfiguredError, which names ``where`` and the field."""

    spec: type
    check: Callable[[Any, str], object]


SPECS: dict[str, Provider] = {
    "aws": Provider(aws_spec.AwsSpec, lambda value, where: aws_spec.parse_spec(value, where=where)),
    "azurekv": Provider(azure_spec.AzureSpec, lambda value, where: azure_spec.parse_spec(value, where=where)),
    "gcpsm": Provider(gcp_spec.GcpSpec, lambda value, where: gcp_spec.parse_spec(value, where=where)),
    "kubernetes": Provider(
        kubernetes_spec.KubernetesSpec, lambda value, where: kubernetes_spec.parse_spec(value, where=where)
    ),
    "vault": Provider(vault_spec.VaultSpec, lambda value, where: vault_spec.parse_spec(value, where=where)),
}
"""Those that a cluster may have; ``file`` is for machines alone."""
