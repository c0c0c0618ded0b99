"""Kubernetes I/O: a client for raw JSON, and caches that list and watch one resource type each.

The official client is imported only when a cluster is configured: see :mod:`gateway.kube.adapter`.
"""

from gateway.kube.cache import WatchCache, until_synced
from gateway.kube.client import KubeClient, connect
from gateway.kube.errors import ApiError, is_outdated
from gateway.kube.limits import CacheLimits
from gateway.kube.resource import ResourceType
from gateway.kube.store import Key

__all__ = [
    "ApiError",
    "CacheLimits",
    "Key",
    "KubeClient",
    "ResourceType",
    "WatchCache",
    "connect",
    "is_outdated",
    "until_synced",
]
