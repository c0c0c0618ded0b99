"""Flux Kustomizations among the files of a run, which apply folders of the repository that they are in."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from gateway.ci.detected import repository_of
from gateway.ci.manifests import Manifest
from gateway.core.finding import Action, Severity
from policies.rule import RuleInfo

_GROUP, _KIND = "kustomize.toolkit.fluxcd.io", "Kustomization"

PLAIN, RECIPIENTS, DECRYPTION = "sops/flux-not-encrypted", "sops/flux-recipients", "sops/flux-decryption"
INFOS = {
    info.id: info
    for info in (
        RuleInfo(PLAIN, "Secrets that Flux decrypts are encrypted", Severity.CRITICAL, Action.DENY),
        RuleInfo(RECIPIENTS, "Files that Flux decrypts are for the declared recipients", Severity.HIGH, Action.DENY),
        RuleInfo(DECRYPTION, "SOPS files that Flux applies are decrypted by it", Severity.HIGH, Action.DENY),
    )
}


class Applied(msgspec.Struct, frozen=True):
    """A Kustomization: the checkout that it is in, its path there, and whether it decrypts."""

    name: str
    root: str
    path: str
    decrypts: bool


class Decryption:
    """The Kustomizations of a run. ``most``: what a finding does at most."""

    def __init__(self, most: Action) -> None:
        self.most = most
        self.applied: dict[Applied, None] = {}

    def add(self, manifests: Sequence[Manifest]) -> None:
        """Take those among the manifests that apply a folder of a Git repository."""
        for manifest in manifests:
            kind = manifest.subject.kind
            if (kind.group, kind.kind) == (_GROUP, _KIND):
                found = _applied(manifest)
                if found is not None:
                    self.applied[found] = None


def _applied(manifest: Manifest) -> Applied | None:
    subject = manifest.subject
    spec = subject.object.get("spec")
    if not isinstance(spec, dict):
        return None
    source = spec.get("sourceRef")
    if isinstance(source, dict) and source.get("kind", "GitRepository") != "GitRepository":
        return None  # what it holds is made elsewhere
    folder = os.path.dirname(os.path.realpath(manifest.path))  # noqa: PTH120 - as detected.py has it
    decryption, path = spec.get("decryption"), spec.get("path")
    decrypts = isinstance(decryption, dict) and decryption.get("provider") == "sops"
    name = f"Kustomization {subject.object_namespace}/{subject.name}".replace(" /", " ")
    return Applied(
        name, repository_of(folder) or os.path.realpath("."), path if isinstance(path, str) else "", decrypts
    )
