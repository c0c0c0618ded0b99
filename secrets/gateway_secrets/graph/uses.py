"""Which Secrets an object uses, and by which of its fields: pods and what makes them, and whatever else names Secrets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

Json = dict[str, Any]


class Use(msgspec.Struct, frozen=True, order=True):
    """A Secret of the object's own namespace, or of the one that it names."""

    secret: str
    how: str
    optional: bool = False
    namespace: str = ""


def pod_of(document: Json) -> Json | None:
    """The spec of the pods that an object makes, whatever its kind: what has containers where pods or templates have them."""
    spec = part(document, "spec")
    if document.get("kind") == "Pod":
        return spec
    for owner in (spec, part(part(spec, "jobTemplate"), "spec")):
        pod = part(part(owner, "template"), "spec")
        if items(pod, "containers"):
            return pod
    return None


def uses_of_pod(pod: Json) -> Iterator[Use]:
    """By environment, volume and imagePullSecrets."""
    for volume in items(pod, "volumes"):
        yield from _volume(volume, f"volume {text(volume, 'name')}")
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for container in items(pod, field):
            yield from _environment(container, text(container, "name"))
    yield from pull_secrets(pod)


def pull_secrets(owner: Json) -> Iterator[Use]:
    """The ``imagePullSecrets`` of a pod or a service account."""
    for one in items(owner, "imagePullSecrets"):
        yield from _use(text(one, "name"), "imagePullSecrets")


def uses_of_account(account: Json) -> Iterator[Use]:
    """Of a service account."""
    yield from pull_secrets(account)
    for one in items(account, "secrets"):
        yield from _use(text(one, "name"), "secrets")


def uses_of_ingress(ingress: Json) -> Iterator[Use]:
    """Its certificates."""
    for one in items(part(ingress, "spec"), "tls"):
        yield from _use(text(one, "secretName"), "tls")


def uses_of_push(push: Json) -> Iterator[Use]:
    """The Secret that a PushSecret names, and where to it is pushed."""
    yield from _use(text(part(part(part(push, "spec"), "selector"), "secret"), "name"), pushed_to(push))


def pushed_to(push: Json) -> str:
    """Where to a PushSecret pushes, in words."""
    refs = [part(part(one, "match"), "remoteRef") for one in items(part(push, "spec"), "data")]
    keys = dict.fromkeys(text(ref, "remoteKey") for ref in refs)
    return f"pushed to {', '.join(filter(None, keys))}" if any(keys) else "pushed"


def uses_of_store(store: Json) -> Iterator[Use]:
    """The credentials of a SecretStore: whatever below its provider refers to a Secret by its name."""
    for provider, settings in part(part(store, "spec"), "provider").items():
        yield from _credentials(settings, f"credentials of {provider}", 0)


_MAX_DEPTH = 12


def _credentials(value: Any, how: str, depth: int) -> Iterator[Use]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for one in value:
            yield from _credentials(one, how, depth + 1)
    for name, below in value.items() if isinstance(value, dict) else ():
        if _selects(name, below):
            yield from _use(text(below, "name"), how, namespace=text(below, "namespace"))
        else:
            yield from _credentials(below, how, depth + 1)


def _selects(field: str, value: Any) -> bool:
    """Whether it names a Secret: a key of one, or by what the field is called."""
    if not text(value, "name") or text(value, "type") == "ConfigMap":
        return False
    return bool(text(value, "key")) or field.lower().endswith(("secretref", "authref"))


def _volume(volume: Json, how: str) -> Iterator[Use]:
    secret = part(volume, "secret")
    yield from _use(text(secret, "secretName"), how, optional=secret.get("optional") is True)
    for source in items(part(volume, "projected"), "sources"):
        projected = part(source, "secret")
        yield from _use(text(projected, "name"), f"{how} (projected)", optional=projected.get("optional") is True)
    yield from _use(text(part(volume, "azureFile"), "secretName"), how)
    for driver in volume.values():
        for field in ("secretRef", "nodePublishSecretRef"):
            yield from _use(text(part(driver, field), "name"), how)


def _environment(container: Json, name: str) -> Iterator[Use]:
    for source in items(container, "envFrom"):
        ref, prefix = part(source, "secretRef"), text(source, "prefix")
        how = f"envFrom of {name}" + (f" as {prefix}*" if prefix else "")
        yield from _use(text(ref, "name"), how, optional=ref.get("optional") is True)
    for variable in items(container, "env"):
        ref = part(part(variable, "valueFrom"), "secretKeyRef")
        how = f"env {text(variable, 'name')} of {name}"
        yield from _use(text(ref, "name"), how, optional=ref.get("optional") is True)


def _use(secret: str, how: str, *, optional: bool = False, namespace: str = "") -> Iterator[Use]:
    if secret:
        yield Use(secret, how, optional, namespace)


def part(value: Any, name: str) -> Json:
    """A mapping below another; empty if there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def items(value: Any, name: str) -> list[Any]:
    """A list below a mapping; empty if there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def text(value: Any, name: str) -> str:
    """A text below a mapping; empty if there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""
