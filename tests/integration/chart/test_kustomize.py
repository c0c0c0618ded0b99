"""The base for kustomize is the chart by its defaults, object by object."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml
from support.charts import CHART, rendered
from support.tools import tool

pytestmark = pytest.mark.servers
OF_HELM = {
    "helm.sh/chart", "app.kubernetes.io/managed-by", "helm.sh/resource-policy",
    "checksum/restarting-settings",  # of values, which the base has none of
}  # fmt: skip


def test_the_base_is_the_chart():
    """The same objects; only what says who installed them differs, and that the base makes its namespace."""
    command = [tool("kustomize"), "build", str(CHART.parent / "kustomize")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    base = [one for one in yaml.safe_load_all(done.stdout) if one["kind"] != "Namespace"]
    chart = rendered("--set", "crds.keep=false")
    assert {name(one) for one in base} == {name(one) for one in chart}
    by_name = {name(one): plain(one) for one in base}
    for one in chart:
        assert by_name[name(one)] == plain(one), name(one)


def name(one: dict[str, Any]) -> tuple[str, str]:
    return one["kind"], one["metadata"]["name"]


def plain(value: Any) -> Any:
    """Without Helm's labels; a configuration as what it says, not as it is written."""
    if isinstance(value, dict):
        kept = {key: plain(held) for key, held in value.items() if key not in OF_HELM}
        if not kept.get("annotations", True):
            del kept["annotations"]
        if kept.get("kind") == "CustomResourceDefinition":
            kept["metadata"].pop("labels")
        for file in {"config.yaml", "registration.yaml"} & set(kept):
            kept[file] = plain(yaml.safe_load(kept[file]))
        return kept
    return [plain(item) for item in value] if isinstance(value, list) else value
