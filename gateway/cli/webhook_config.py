"""``govgate webhook-config``: print the registration for this configuration."""

from __future__ import annotations

import base64
import binascii
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, get_args

from cyclopts import Parameter
from cyclopts.validators import Number

from gateway.cli.output import print_document
from gateway.config import load_config
from gateway.core.errors import UsageError
from gateway.server.registration import FailurePolicy, Target, registration
from gateway.server.registration_conditions import may_be_excluded
from webhooks.groups import GROUPS

_PEM = b"-----BEGIN CERTIFICATE-----"
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def webhook_config(
    *,
    config: Path | None = None,
    ca_file: Path | None = None,
    ca_bundle: str = "",
    service: str = "",
    namespace: str = "",
    url: str = "",
    name: str = "govgate",
    output: Annotated[Literal["yaml", "json"], Parameter(alias="-o")] = "yaml",
    failure_policy: FailurePolicy = "Fail",
    failure_policy_of: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    timeout_seconds: Annotated[int, Parameter(validator=Number(gte=1, lte=30))] = 10,
    excluded_group: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    excluded_namespace: Annotated[tuple[str, ...], Parameter(negative=())] = (),
) -> None:
    """Print the ValidatingWebhookConfiguration that makes an API server ask this govgate.

    Parameters
    ----------
    config
        The configuration file; else GOVGATE_CONFIG names it, else the embedded defaults hold.
    ca_file
        The authority that signed govgate's certificate, in PEM.
    ca_bundle
        The same in base64, as the registration holds it.
    service
        The Service in front of govgate ("govgate" if neither this nor --url is given).
    namespace
        Its namespace (default: cluster.ownNamespace of the configuration).
    url
        An https URL instead of a Service, with the path /v1/validate.
    name
        The name of the registration.
    output
        The format.
    failure_policy
        What the API server does when govgate does not answer.
    failure_policy_of
        The same for some guards: GROUP=Fail or GROUP=Ignore; repeatable. Groups: drift, policy, provenance, secrets.
    timeout_seconds
        How long the API server waits, 1 to 30.
    excluded_group
        An API group that is not asked about, such as that of a network driver whose objects new Pods wait for; repeatable.
        Those of the usual drivers are not asked about anyway (docs/server.md lists them).
    excluded_namespace
        A namespace that is not asked about, beside govgate's own: one whose Pods bring network or storage; repeatable.
    """
    if url and (service or namespace):
        raise UsageError("give --url, or --service and --namespace, not both")
    if url and not url.startswith("https://"):
        raise UsageError("--url must begin with https://: API servers speak to webhooks over TLS only")
    _check_excluded(excluded_group, excluded_namespace)
    ca = _authority(ca_file, ca_bundle)
    if not ca:
        sys.stderr.write("govgate: no --ca-file and no --ca-bundle: something else must set caBundle\n")
    target = Target(url, service or "govgate", namespace)
    document = registration(
        load_config(config).config,
        target,
        ca_bundle=ca,
        name=name,
        failure_policy=failure_policy,
        failure_policies=_policies(failure_policy_of),
        timeout_seconds=timeout_seconds,
        excluded_groups=excluded_group,
        excluded_namespaces=excluded_namespace,
    )
    print_document(document, output)


def _check_excluded(groups: Sequence[str], namespaces: Sequence[str]) -> None:
    for group in groups:
        if not may_be_excluded(group):
            raise UsageError(
                f"--excluded-group {group}: give an API group such as ipam.example.com, but neither Kubernetes' own "
                "without a dot nor govgate.dev"
            )
    for name in namespaces:
        if not _NAMESPACE.fullmatch(name):
            raise UsageError(f"--excluded-namespace {name}: not the name of a namespace")


def _policies(given: Sequence[str]) -> dict[str, FailurePolicy]:
    """Groups of guards, each with its policy.

    Raises:
        UsageError: a group or a policy that there is not.
    """
    found: dict[str, FailurePolicy] = {}
    for text in given:
        group, _, policy = text.partition("=")
        if group not in GROUPS or policy not in get_args(FailurePolicy):
            raise UsageError(
                f"--failure-policy-of {text}: GROUP=Fail or GROUP=Ignore, with a group of {', '.join(GROUPS)}"
            )
        found[group] = "Fail" if policy == "Fail" else "Ignore"
    return found


def _authority(file: Path | None, bundle: str) -> bytes:
    if file is not None and bundle:
        raise UsageError("give --ca-file or --ca-bundle, not both")
    try:
        pem = file.read_bytes() if file is not None else base64.b64decode(bundle, validate=True)
    except binascii.Error:
        raise UsageError("--ca-bundle is not base64") from None
    if pem and _PEM not in pem:
        raise UsageError("the authority is not a certificate in PEM")
    return pem
