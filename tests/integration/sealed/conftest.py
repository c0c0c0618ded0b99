"""What the tests of sealed secrets in a cluster share."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import yaml
from support.api import Api, ApiError
from support.tools import module_folder
from support.users import ROOT

CRD = "helm/sealed-secrets/crds/bitnami.com_sealedsecrets.yaml"
SEALED = ("bitnami.com/v1alpha1", "SealedSecret")


@pytest.fixture
def api(cluster: Any) -> Api:
    """An administrator, where SealedSecrets are known."""
    root: Api = cluster.api(ROOT)
    crd = yaml.safe_load((module_folder("kubeseal", "github.com/bitnami/sealed-secrets") / CRD).read_text())
    with contextlib.suppress(ApiError):  # it is there already
        root.create(crd)
    cluster.apiserver.wait_until(lambda: served(cluster.api(ROOT)))
    return root


def served(root: Api) -> bool:
    try:
        root.list(*SEALED, "default")
    except (ApiError, KeyError):
        return False
    return True
