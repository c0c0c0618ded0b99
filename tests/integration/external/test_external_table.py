"""The table of manifests that are not right, by the controller: as `govgate check` and the admission guard have it."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from support.cluster import wait_for
from support.external_site import SECONDS, Site
from support.external_table import TABLE, Row

Json = dict[str, Any]
pytestmark = [pytest.mark.native, pytest.mark.usefixtures("running")]


def ready(site: Site, manifest: Json) -> Json:
    metadata = manifest["metadata"]
    there = site.api.get(manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""), metadata["name"])
    conditions = (there.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == "Ready"), {})


@pytest.mark.parametrize("verdict", ["refused", "schema", "warned"])
def test_the_controller_does_what_was_said(site: Site, verdict: str) -> None:
    """It refuses what is denied, names the same field, and works on the rest; what it does not heed it says in the condition."""
    site.put("k", value="v")
    rows = [row for row in TABLE if row.verdict == verdict]
    made = [(row, _reading(row, site)) for row in rows]
    for _, manifest in made:
        site.api.create(manifest)
    try:

        def otherwise() -> dict[str, Json]:
            conditions = [(row, ready(site, manifest)) for row, manifest in made]
            return {row.name: condition for row, condition in conditions if not _as_said(row, condition)}

        with contextlib.suppress(AssertionError):  # which says less than the next line
            wait_for(lambda: not otherwise(), seconds=SECONDS)
        assert otherwise() == {}
    finally:
        for _, manifest in made:
            site.api.delete(manifest, missing_ok=True)


def _reading(row: Row, site: Site) -> Json:
    """The manifest, which reads what is there."""
    manifest = row.manifest(site.namespace, site.store_name)
    if row.kind == "SecretStore" and row.verdict == "warned":
        own = site.api.get("external-secrets.io/v1", "SecretStore", site.namespace, site.store_name)
        manifest["spec"]["provider"] = own["spec"]["provider"]
    text = json.dumps(manifest).replace('"key": "k"', f'"key": "{site.namespace}/k"')
    return json.loads(text)


def _as_said(row: Row, condition: Json) -> bool:
    message = condition.get("message", "")
    if row.verdict == "refused":
        return condition.get("status") == "False" and row.field in message
    # A store's condition says whether it can be read, which does not depend on what is not heeded.
    return condition.get("status") == "True" and (row.kind == "SecretStore" or row.field in message)
