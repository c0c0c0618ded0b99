"""What is kept of Config Sync's own objects. Source: kpt-config-sync ``pkg/api/configsync/v1beta1``."""

from __future__ import annotations

from gateway.core.subject import Json
from webhooks.drift.facts import Owner, OwnerRef, Source
from webhooks.drift.managed import metadata
from webhooks.drift.reconcilers.records import Record, public_url, section, text


def sync(obj: Json) -> Record:
    """A RootSync or RepoSync. Neither can be suspended; what it reads from is a repository, an image or a chart."""
    meta, spec, status = metadata(obj), section(obj, "spec"), section(obj, "status", "sync")
    git, oci, helm = section(spec, "git"), section(spec, "oci"), section(spec, "helm")
    return Record(
        ref=OwnerRef("config-sync", text(meta.get("namespace")), text(meta.get("name"))),
        owner=Owner(
            source=Source(
                repository=public_url(text(git.get("repo")) or text(oci.get("image")) or text(helm.get("repo"))),
                path=text(git.get("dir")) or text(oci.get("dir")) or text(helm.get("chart")),
                revision=text(status.get("commit")) or text(git.get("revision")) or text(git.get("branch")),
            )
        ),
    )
