"""What is known around a request, the same where rules are asked: of a cluster that is watched, or a captured one."""

from __future__ import annotations

from typing import Protocol

from gateway.core.subject import Json, Subject
from policies.rule import NAMESPACE, USER, Asked


class Surroundings(Protocol):
    """What is known of the cluster around a request. ``known``: see :class:`policies.rule.Asked`."""

    @property
    def known(self) -> frozenset[str]:
        """What is known at all: ``inventory``, ``user``. That a Namespace is known shows in :meth:`namespace`."""
        ...

    def namespace(self, name: str) -> Json | None:
        """The Namespace object, None if it is not known."""
        ...

    async def look(self, name: str) -> Json | None:
        """The Namespace object, asked for where it is not known; None if that does not help."""
        ...


class Alone:
    """No cluster. ``known``: what the request itself tells, such as who asks."""

    def __init__(self, *known: str) -> None:
        self.known = frozenset(known)

    def namespace(self, _name: str) -> Json | None:
        """None, always."""
        return None

    async def look(self, _name: str) -> Json | None:
        """None, always: there is nobody to ask."""
        return None


def surrounded(subject: Subject, around: Surroundings) -> Asked:
    """The request with what is known around it. Of a cluster-scoped object there is no Namespace to know."""
    name = subject.object_namespace
    namespace = around.namespace(name) if name else None
    known = around.known if name and namespace is None else around.known | {NAMESPACE}
    return Asked(subject, namespace, known)


ADMISSION = Alone(USER)
"""At admission without a connection to the cluster."""
