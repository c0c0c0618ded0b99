"""What it costs to have stores that are not used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import gateway_secrets.stores

ADAPTERS = {
    "azure": "azure_client.py",
    "botocore": "aws_client.py",
    "google.api_core": "gcp_client.py",
    "google.auth": "gcp_tokens.py",
    "google.cloud": "gcp_client.py",
    "grpc": "gcp_client.py",
    "hvac": "vault_http.py",
    "requests": "vault_http.py",
    "urllib3": "vault_http.py",
}
EXTRAS = {
    "aws": ("aws", ["botocore"]),
    "azurekv": ("azure", ["azure.core", "azure.identity"]),
    "gcpsm": ("gcp", ["google.auth", "google.cloud", "grpc"]),
}


def test_clients_of_stores_are_not_imported_before_their_store_is_opened():
    """The table of stores knows their modules by name alone."""
    code = (
        "import sys\nimport gateway_secrets.stores.table, gateway.cli.secrets\n"
        "print(sorted({'azure.core', 'botocore', 'google.auth', 'grpc', 'hvac', 'requests', 'kubernetes'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("client", ADAPTERS)
def test_each_client_has_one_adapter(client):
    """Nothing else in the product imports it."""
    roots = [
        Path(gateway_secrets.__file__).parent,
        *(Path(__file__).parents[3] / name for name in ("gateway", "policies")),
    ]
    importing = re.compile(rf"^\s*(from|import) {client}\b", re.MULTILINE)
    found = {path.name for root in roots for path in root.rglob("*.py") if importing.search(path.read_text())}
    assert found == {ADAPTERS[client]}


@pytest.mark.parametrize("provider", EXTRAS)
def test_what_is_not_installed_is_named(provider):
    """As the extra that brings it."""
    extra, missing = EXTRAS[provider]
    code = (
        "import asyncio, sys\n"
        f"sys.modules.update(dict.fromkeys({missing}))\n"
        "from gateway_secrets.stores.errors import MisconfiguredError\n"
        "from gateway_secrets.stores.manifest import parse_manifest\n"
        "from gateway_secrets.stores.table import open_reader\n"
        "manifest = {'apiVersion': 'external-secrets.io/v1', 'kind': 'SecretStore', 'metadata': {'name': 'cloud'},\n"
        f"            'spec': {{'provider': {{'{provider}': {{}}}}}}}}\n"
        "try:\n"
        "    asyncio.run(open_reader(parse_manifest(manifest, source='test')))\n"
        "except MisconfiguredError as error:\n"
        "    print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f"SecretStore cloud: provider {provider} needs what is not installed: pip install 'govgate[{extra}]'" in said
