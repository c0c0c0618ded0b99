"""Whether the configured stores of secrets answer: a login, and a question about a secret that there is not."""

from __future__ import annotations

from pathlib import Path

from gateway.core.finding import Resource, Severity
from gateway.doctor.rules import Result, found
from gateway.kube import KubeClient
from gateway_secrets.stores.credentials import Credentials, KubeCredentials, NoCredentials
from gateway_secrets.stores.errors import ForbiddenError, MisconfiguredError, NotFoundError, StoreError
from gateway_secrets.stores.manifest import API_VERSION, read_manifest
from gateway_secrets.stores.model import Find
from gateway_secrets.stores.reader import Reader
from gateway_secrets.stores.table import open_reader

PROBE = "govgate-doctor-probe"


async def check_store(name: str, path: Path, client: KubeClient | None, namespace: str) -> list[Result]:
    """A finding if it does not answer as it should. No value is read."""
    about = Resource(API_VERSION, "SecretStore", "", name)
    credentials: Credentials = KubeCredentials(client) if client is not None else NoCredentials()
    try:
        reader = await open_reader(read_manifest(path), credentials=credentials, namespace=namespace)
        try:
            await _probe(reader)
        finally:
            await reader.close()
    except NotFoundError:
        return []
    except ForbiddenError as error:
        text = f"it does not take the credentials, or lets nobody ask for metadata: {error}"
        return [found("store-unreachable", about, text, severity=Severity.MEDIUM)]
    except StoreError as error:
        return [found("store-unreachable", about, str(error))]
    return []


async def _probe(reader: Reader) -> None:
    try:
        await reader.describe(PROBE)
    except MisconfiguredError:
        # A store without metadata can still be asked what there is; below this name there is nothing.
        await reader.find(Find(path=PROBE))
