"""BreakGlass objects for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def stamp(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def grant_object(
    name: str = "web", *, by: str = "alice@example.com", expires: datetime | None = None, **spec: Any
) -> Json:
    """One that asks for changes of the Deployment ``shop/web``; ``spec`` differs from that."""
    stated = {
        "users": [by],
        "scope": {"namespaces": ["shop"], "kinds": ["apps/Deployment"], "names": ["web"]},
        "reason": "the shop is down",
        "ticket": "INC-7",
        "requestedBy": by,
        "expires": stamp(expires or NOW + timedelta(hours=1)),
        "maxUses": 1,
    }
    return {
        "apiVersion": "govgate.dev/v1alpha1",
        "kind": "BreakGlass",
        "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": "1"},
        "spec": stated | spec,
    }
