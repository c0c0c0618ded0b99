"""The registration as it should be: of a file, or of the configuration."""

from __future__ import annotations

from gateway.config.files import read_bounded
from gateway.config.model import Config
from gateway.config.model import Registration as Settings
from gateway.config.yaml import read_yaml
from gateway.core.errors import ConfigError
from gateway.core.subject import Json
from gateway.server.registration import Target, registration

_MAX_FILE_BYTES = 1024 * 1024
_KIND = "ValidatingWebhookConfiguration"


def wanted_registration(config: Config, settings: Settings) -> Json:
    """What ``settings.file`` holds, else what ``govgate webhook-config`` prints for the named service.

    Raises:
        ConfigError: the file cannot be read, or holds something else.
    """
    if not settings.file:
        return registration(config, Target(service=settings.service), name=settings.name)
    data = read_bounded(settings.file, max_bytes=_MAX_FILE_BYTES)
    return as_registration(read_yaml(data.decode("utf-8", "replace"), source=settings.file), source=settings.file)


def as_registration(document: object, *, source: str) -> Json:
    """The document, if it is a registration.

    Raises:
        ConfigError: it is something else.
    """
    if isinstance(document, dict) and document.get("kind") == _KIND:
        webhooks = document.get("webhooks")
        if isinstance(webhooks, list) and all(isinstance(one, dict) for one in webhooks):
            return document
    raise ConfigError(f"{source}: not a {_KIND}")
