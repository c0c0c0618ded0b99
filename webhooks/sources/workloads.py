"""Images of Pods and of everything that makes Pods: containers of all kinds, and volumes made of images."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core.subject import Json
from webhooks.sources.fetch import Fetch, items, section, text

_TEMPLATE = ("spec", "template", "spec")
PATHS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): ("spec",),
    ("", "PodTemplate"): ("template", "spec"),
    ("", "ReplicationController"): _TEMPLATE,
    ("apps", "Deployment"): _TEMPLATE,
    ("apps", "ReplicaSet"): _TEMPLATE,
    ("apps", "StatefulSet"): _TEMPLATE,
    ("apps", "DaemonSet"): _TEMPLATE,
    ("batch", "Job"): _TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Where the Pod's spec is in each kind, by group and kind."""

_LISTS = ("initContainers", "containers", "ephemeralContainers")


def images(document: Json, path: tuple[str, ...]) -> list[Fetch]:
    """Every image that the Pods will be made of."""
    spec = section(document, *path)
    secrets = tuple(name for one in items(spec, "imagePullSecrets") if (name := text(one.get("name"))))
    account = "" if secrets else _account(spec)
    return [
        Fetch("image", image, f"{'.'.join(path)}.{where}", _mutable(image), secrets=secrets, account=account)
        for image, where in _named(spec)
    ]


def _account(spec: Json) -> str:
    """Whose pull secrets the Pods will have, as none are named."""
    return text(spec.get("serviceAccountName")) or text(spec.get("serviceAccount")) or "default"


def _named(spec: Json) -> Iterator[tuple[str, str]]:
    for name in _LISTS:
        for container in items(spec, name):
            if image := text(container.get("image")):
                yield image, f"{name}[name={text(container.get('name'))}].image"
    for volume in items(spec, "volumes"):
        if image := text(section(volume, "image").get("reference")):
            yield image, f"volumes[name={text(volume.get('name'))}].image.reference"


def _mutable(image: str) -> str:
    if "@sha256:" in image:
        return ""
    tag = image.rpartition("/")[2].partition(":")[2] or "latest"
    return f"the tag {tag} can be moved"
