"""What a user may do, asked of the cluster by a SubjectAccessReview."""

from __future__ import annotations

from typing import Any

from gateway.core.errors import ClusterError, UndecidedError
from gateway.core.subject import UserInfo
from gateway.kube import KubeClient

_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


async def may(client: KubeClient, user: UserInfo, attributes: dict[str, str], *, what: str) -> bool:
    """Whether the user holds what ``attributes`` (``resourceAttributes`` of the API) state. ``what``: in words.

    Raises:
        UndecidedError: there is no answer.
    """
    spec: dict[str, Any] = {
        "user": user.username,
        "uid": user.uid,
        "groups": user.groups,
        "extra": user.extra,
        "resourceAttributes": attributes,
    }
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    try:
        answer = await client.create(_REVIEWS, review)
    except ClusterError as error:
        raise UndecidedError(f"cannot ask whether {user.username} may {what}: {error}") from None
    status = answer.get("status")
    return isinstance(status, dict) and status.get("allowed") is True and status.get("denied") is not True
