"""What Secrets and ConfigMaps hold, for templates, and to be pushed."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from gateway.controllers.external.held import CONFIG_MAPS, SECRETS
from gateway.kube import ApiError, KubeClient
from gateway_secrets.external.content import Documents, templates_needed
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.spec import Template

Json = dict[str, Any]
_LINE_ENDS = str.maketrans("", "", "\r\n")


async def template_documents(client: KubeClient, template: Template | None, namespace: str, *, where: str) -> Documents:
    """The ConfigMaps and Secrets that hold a template's texts; without those that are not there. ``where``: its field.

    Raises:
        SpecError: one cannot be read.
        ClusterError: the API server could not be asked.
    """
    found: dict[tuple[str, str], Mapping[str, bytes]] = {}
    for kind, name in templates_needed(template):
        resource = SECRETS if kind == "Secret" else CONFIG_MAPS
        try:
            document = await client.find(resource.path("v1", namespace, name))
        except ApiError as error:
            raise error.about(f"{where}.templateFrom: {kind} {name}") from None
        if document is not None:
            found[kind, name] = secret_data(document) if kind == "Secret" else config_data(document)
    return found


def secret_data(document: Json | None) -> dict[str, bytes]:
    """The values of a Secret; nothing of none. What is no base64 is an error, as it is to ESO, that is to Go's decoder, which
    passes over ends of lines alone.

    Raises:
        SpecError: a value cannot be read.
    """
    held = (document or {}).get("data") or {}
    try:
        return {
            key: base64.b64decode((value or "").translate(_LINE_ENDS), validate=True) for key, value in held.items()
        }
    except (binascii.Error, ValueError, AttributeError):
        name = str(((document or {}).get("metadata") or {}).get("name"))
        raise SpecError(f"Secret {name} cannot be read: a value of it is no base64") from None


def config_data(document: Json) -> dict[str, bytes]:
    """The texts of a ConfigMap."""
    return {key: value.encode() for key, value in (document.get("data") or {}).items()}
