"""The registration that a configuration would print, with the choices that were made when it was printed. Pure."""

from __future__ import annotations

import msgspec

from gateway.config.model import Config, Registration
from gateway.core.subject import Json
from gateway.server.intake import PATH
from gateway.server.registration import FailurePolicy, Target, registration
from webhooks.groups import GROUPS, SEPARATOR

DEFAULT_NAME = "govgate"


def default_settings(config: Config) -> Registration:
    """What is configured to be watched; without a name the one that ``govgate webhook-config`` gives."""
    settings = config.server.registration
    return settings if settings.name else msgspec.structs.replace(settings, name=DEFAULT_NAME)


def as_printed(config: Config, settings: Registration, there: Json | None) -> Json:
    """What ``govgate webhook-config`` prints with the target, policies and time-out that the registration ``there`` has:
    these are options of that command, and no part of the configuration.
    """
    webhooks = (there or {}).get("webhooks") or []
    if not webhooks:
        return registration(config, Target(service=settings.service), name=settings.name)
    first = webhooks[0]
    policies: dict[str, FailurePolicy] = {}
    for webhook in webhooks:
        for group in groups_of(webhook):
            policies[group] = "Ignore" if webhook.get("failurePolicy") == "Ignore" else "Fail"
    return registration(
        config,
        _target(first, settings),
        name=settings.name,
        failure_policies=policies,
        timeout_seconds=int(first.get("timeoutSeconds") or 10),
    )


def names_of_webhooks(config: Config, settings: Registration, there: Json | None) -> set[str]:
    """What the webhooks are called that the API server's audit log may name."""
    return {str(one.get("name")) for one in (there or as_printed(config, settings, None)).get("webhooks") or ()}


def _target(webhook: Json, settings: Registration) -> Target:
    client = webhook.get("clientConfig") or {}
    url = str(client.get("url") or "")
    if url:
        root, found, _ = url.rpartition(PATH)
        return Target(url=f"{root}{PATH}" if found else url)
    service = client.get("service") or {}
    return Target(
        service=str(service.get("name") or settings.service),
        namespace=str(service.get("namespace") or ""),
        port=int(service.get("port") or 443),
    )


def groups_of(webhook: Json) -> tuple[str, ...]:
    """The groups of guards that a webhook asks, by the end of its path."""
    client = webhook.get("clientConfig") or {}
    path = str(client.get("url") or (client.get("service") or {}).get("path") or "")
    _, _, asked = path.rpartition(PATH)
    named = tuple(group for group in asked.removeprefix("/").split(SEPARATOR) if group in GROUPS)
    return named or tuple(GROUPS)
