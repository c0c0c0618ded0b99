"""What may be scaled and cannot be read by govgate: such a request is undecided, whoever manages the object. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from gateway.core.finding import Action, Resource
from gateway.core.guard import OnError
from gateway.doctor.rbac import SERVICE_ACCOUNT, Ask, Grant, identity, permitted
from gateway.doctor.rules import Result, found, undecided

_RULE = "scale-unreadable"
_SHOWN = 10


class ServedResource(msgspec.Struct, frozen=True, order=True):
    """A type that the cluster serves. ``scales``: it has the subresource ``scale``."""

    group: str
    resource: str
    scales: bool = False

    @property
    def name(self) -> str:
        """As a CustomResourceDefinition is named."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


def check_scales(
    served: Collection[ServedResource] | None,
    granted: Sequence[Grant] | None,
    accounts: Collection[tuple[str, str]],
    on_error: OnError,
    left_out: Collection[str] = (),
) -> list[Result]:
    """``accounts``: those of govgate's Pods; ``on_error``: the drift guard's; ``served`` and ``granted``: None where they
    could not be read; ``left_out``: the API groups that the drift guard is not asked about.
    """
    about = "types with a scale"
    if served is None or granted is None:
        return [undecided(_RULE, about, f"{'what is served' if served is None else 'RBAC'} could not be read")]
    if not accounts:
        return [undecided(_RULE, about, "no Pods of govgate's were found, whose account would read them")]
    scaled = sorted(one for one in served if one.scales and one.group not in left_out)
    return [one for account in sorted(accounts) for one in _of_account(*account, scaled, granted, on_error)]


def _of_account(
    namespace: str, name: str, scaled: Sequence[ServedResource], granted: Sequence[Grant], on_error: OnError
) -> list[Result]:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    who = identity(f"{SERVICE_ACCOUNT}{namespace}:{name}", groups)
    hidden = [one.name for one in scaled if not permitted(granted, who, Ask("get", one.group, one.resource))]
    if not hidden:
        return []
    more = f", and {len(hidden) - _SHOWN} more" if len(hidden) > _SHOWN else ""
    effect = "is refused as undecided" if on_error is OnError.DENY else "is not judged"
    text = f"it may not get {', '.join(hidden[:_SHOWN])}{more} everywhere: that somebody scales one {effect}, managed or not"
    action = Action.WARN if on_error is OnError.DENY else Action.AUDIT
    return [found(_RULE, Resource("v1", "ServiceAccount", namespace, name), text, action=action)]
