"""What is wrong with a SecretStore or ClusterSecretStore. Source: ``secretstore_validator.go`` of ESO, and its CRD."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.core.finding import Action
from gateway_secrets.external.allowed import ANNOTATION, AllowedError, allowed_of
from gateway_secrets.external.fault_parts import fault_of, is_label, pattern, unknown
from gateway_secrets.external.faults import Fault
from gateway_secrets.external.spec import Json
from gateway_secrets.external.store import CONTROLLER, StoreSpec
from gateway_secrets.stores.errors import MisconfiguredError
from gateway_secrets.stores.specs import SPECS
from gateway_secrets.stores.table import PROVIDERS

_PROVIDER = re.compile(r"[A-Za-z0-9]{1,64}")


def store_faults(spec: StoreSpec, document: Json, *, claimed: bool) -> Iterator[Fault]:
    """Of its own fields, and of its provider's if the store is govgate's: what another controller knows is for it to say."""
    ours = claimed or spec.controller == CONTROLLER
    for at, condition in enumerate(spec.conditions):
        where = f"spec.conditions[{at}]"
        for index, text in enumerate(condition.namespace_regexes):
            yield from pattern(text, f"{where}.namespaceRegexes[{index}]")
        for index, name in enumerate(condition.namespaces):
            if not is_label(name):
                yield Fault(
                    "malformed", f"{where}.namespaces[{index}]", "is no name of a namespace", "name one; no globs"
                )
    yield from _allowed(document)
    if ours:
        yield from _unheeded(spec)
    if len(spec.provider) != 1:
        yield Fault("provider", "spec.provider", f"has {len(spec.provider)} providers", "name exactly one")
        return
    (name,) = spec.provider
    if ours:
        yield from _provider(name, spec.provider[name])


def _allowed(document: Json) -> Iterator[Fault]:
    metadata = document.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    text = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    if text is not None:
        try:
            allowed_of(str(text))
        except AllowedError as error:
            yield Fault("allowed-keys", f"metadata.annotations[{ANNOTATION}]", str(error)[:300], "until then, none is")


def _unheeded(spec: StoreSpec) -> Iterator[Fault]:
    """What ESO has and govgate has no use for: it harms nothing, and says something that is not so."""
    for field, value, instead in (
        ("retrySettings", spec.retry_settings, "what fails is tried again, ever later, by govgate's own limits"),
        ("refreshInterval", spec.refresh_interval, "a store is looked at when something is read from it"),
    ):
        if value:
            said = "is not heeded by govgate"
            yield Fault("unsupported", f"spec.{field}", said, f"leave it out: {instead}", Action.WARN)


def _provider(name: str, value: object) -> Iterator[Fault]:
    where = f"spec.provider.{name}"[:100]
    if name == "file":
        what = "reads a file of the controller's own machine"
        yield Fault("provider", where, what, "use it with `govgate secrets`, without a cluster")
        return
    if name not in SPECS:
        known = ", ".join(sorted(PROVIDERS.keys() - {"file"}))
        yield Fault("provider", where, "is not known here", f"use one of {known}")
        return
    misspelt = list(unknown(value, SPECS[name].spec, where, rule="provider"))
    yield from misspelt
    if not misspelt:
        try:
            SPECS[name].check(value, where)
        except MisconfiguredError as error:
            yield fault_of(error, "provider", f"see the fields of {name} in external-secrets.io/v1")
