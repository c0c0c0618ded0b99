"""What is asked of the walk over RBAC: every way to become somebody whom a guard believes, or to take govgate out. Pure.

Source of what impersonation asks: ``k8s.io/apiserver/pkg/endpoints/filters/impersonation`` (1.36; the feature
ConstrainedImpersonation asks for ``impersonate:MODE`` of whom, and ``impersonate-on:MODE:VERB`` of what is done).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gateway.doctor.actors import Actors
from gateway.doctor.rbac import ALL, ANYWHERE, Ask, Subject, account_of

_RBAC = "rbac.authorization.k8s.io"
_AUTHENTICATION = "authentication.k8s.io"
_GOVGATE = "govgate.dev"
_WORKLOADS = (
    ("apps", ("deployments", "daemonsets", "statefulsets", "replicasets")),
    ("batch", ("jobs", "cronjobs")),
    ("", ("replicationcontrollers",)),
)
_WRITES = ("create", "update", "patch", "delete", "deletecollection")
_NODE_MODES = ("arbitrary-node", "associated-node")
_SHOWN = 4
ACCOUNTS = "system:serviceaccounts"
"""The group that all service accounts are in; with a colon and a namespace behind it, those of that one."""
BECOME = "become-full-access"
_WRITING = ", writing in "
_STRONG = ("cluster-admin", "admin", "edit")
"""Kubernetes' own ClusterRoles that let Pods be run."""


class Power(msgspec.Struct, frozen=True):
    """One thing to be able to do. ``all_of``: of each group of questions one must be answered with yes. ``about``: whom it
    makes one; to be oneself is no power.

    ``where``: of one that is held in a namespace, or in every: the words between ``does`` and that place. Then each place
    is a power of its own, and the last group of ``all_of`` asks about :data:`ANYWHERE`.
    """

    rule: str
    does: str
    all_of: tuple[tuple[Ask, ...], ...]
    about: frozenset[str] = frozenset()
    where: str = ""


def powers(actors: Actors, namespace: str, registration: str) -> list[Power]:
    """Everything to ask. ``namespace``: govgate's own; ``registration``: its name."""
    asked = [*_group("system:masters"), *(one for name in actors.groups for one in _group(name))]
    for name in actors.emergency:
        asked += _group(name, "impersonate-approver", "whose members approve for themselves")
    spaces: dict[str, list[str]] = {}
    for user, why in actors.users.items():
        account = account_of(user)
        shown = "" if user in actors.reconcilers.users else why
        if account is None:
            asked += _of_user(user, "impersonate-reconciler", shown)
            continue
        asked += _of_account(*account, shown)
        spaces.setdefault(account[0], []).append(account[1])
    for space, names in spaces.items():
        asked += _of_space(space, names)
    for user in actors.own:
        account = account_of(user)
        asked += (
            _of_account(*account, "govgate's own", impersonate="become-gateway", mint="become-gateway")
            if account
            else []
        )
    return [
        *asked,
        *_of_anybody(),
        *_of_identity(),
        *_of_roles(),
        _of_registration(registration),
        _of_mutation(),
        *_of_namespace(namespace),
        *_of_break_glass(),
    ]


def of_approvers(approvers: Mapping[Subject, Sequence[str]], requesters: Iterable[str]) -> list[Power]:
    """To be two people: by impersonating who may approve break-glass, or who may ask for it, being one who may approve.

    ``approvers``: users and groups, each with what it may do, and where; ``requesters``: names of users.
    """
    rule = "impersonate-approver"
    asked: list[Power] = []
    for (kind, name), does in approvers.items():
        more = f" and {len(does) - _SHOWN} more" if len(does) > _SHOWN else ""
        why = f"who may {', '.join(does[:_SHOWN])}{more}"
        asked += _of_user(name, rule, why) if kind == "User" else _group(name, rule, why)
    for name in requesters:
        for power in _of_user(name, rule, "who may ask for break-glass, and approve that"):
            # By constrained impersonation there are two places: where one may ask, and where one approves is what counts.
            groups = (*power.all_of, _held("approve"))
            asked.append(msgspec.structs.replace(power, all_of=groups, where=", approving in "))
    return asked


def of_administrators(administrators: Iterable[Subject], why: str) -> list[Power]:
    """To become one of these, who have every right or may come to it. ``why``: which of the two, for people."""
    asked: list[Power] = []
    spaces: dict[str, list[str]] = {}
    for subject in administrators:
        account = account_of(subject.name) if subject.kind == "User" else None
        if account is not None:
            asked += _of_account(*account, why)
            spaces.setdefault(account[0], []).append(account[1])
        elif subject.kind == "User":
            asked += _of_user(subject.name, BECOME, why)
        else:
            asked += _group(subject.name, BECOME, why)
            space = space_of(subject)
            asked += _of_any_account(space, why) if space else []
    for space, names in spaces.items():
        asked += _of_space(space, names, why)
    return [msgspec.structs.replace(power, rule=BECOME) for power in asked]


def space_of(group: Subject) -> str:
    """The namespace whose service accounts are the members of this group, :data:`ANYWHERE` for all; else empty."""
    if group.kind != "Group" or not f"{group.name}:".startswith(f"{ACCOUNTS}:"):
        return ""
    return group.name.removeprefix(ACCOUNTS).removeprefix(":") or ANYWHERE


def _of_any_account(namespace: str, why: str) -> list[Power]:
    """To be whichever account of a namespace, or of :data:`ANYWHERE`."""
    where = "" if namespace == ANYWHERE else f"{namespace}/"
    ways = [
        Power(BECOME, f"{does} {_who(f'{where}*', why)}", ((ask,),))
        for does, ask in (
            ("impersonate", Ask("impersonate", "", "serviceaccounts", namespace)),
            ("create a token of", Ask("create", "", "serviceaccounts/token", namespace)),
        )
    ]
    return [*ways, *_of_space(namespace, ["*"], why)]


def _who(name: str, why: str) -> str:
    return f"{name} ({why})" if why else name


def _on(mode: str) -> tuple[Ask, ...]:
    """To write anything at all in that mode."""
    return tuple(Ask(f"impersonate-on:{mode}:{verb}", "", ALL, ANYWHERE) for verb in _WRITES)


def _group(name: str, rule: str = "impersonate-group", why: str = "") -> list[Power]:
    does = f"impersonate the group {_who(name, why)}"
    constrained = (Ask("impersonate:user-info", _AUTHENTICATION, "groups", name=name),)
    return [
        Power(rule, does, ((Ask("impersonate", "", "groups", name=name),),)),
        Power(rule, does, (constrained, _on("user-info")), where=_WRITING),
    ]


def _of_user(user: str, rule: str, why: str) -> list[Power]:
    does, about = f"impersonate {_who(user, why)}", frozenset((user,))
    constrained = (Ask("impersonate:user-info", _AUTHENTICATION, "users", name=user),)
    return [
        Power(rule, does, ((Ask("impersonate", "", "users", name=user),),), about),
        Power(rule, does, (constrained, _on("user-info")), about, _WRITING),
    ]


def _of_account(
    namespace: str, name: str, why: str, *, impersonate: str = "impersonate-reconciler", mint: str = "mint-token"
) -> list[Power]:
    who, about = _who(f"{namespace}/{name}", why), frozenset((f"system:serviceaccount:{namespace}:{name}",))
    become = (Ask("impersonate", "", "serviceaccounts", namespace, name),)
    constrained = (Ask("impersonate:serviceaccount", _AUTHENTICATION, "serviceaccounts", namespace, name),)
    token = (Ask("create", "", "serviceaccounts/token", namespace, name),)
    return [
        Power(impersonate, f"impersonate {who}", (become,), about),
        Power(impersonate, f"impersonate {who}", (constrained, _on("serviceaccount")), about, _WRITING),
        Power(mint, f"create a token of {who}", (token,), about),
    ]


def _of_space(namespace: str, names: Sequence[str], why: str = "") -> list[Power]:
    """What gives all accounts of a namespace at once."""
    who = ", ".join(f"{namespace}/{name}" for name in names[:_SHOWN])
    who += f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    who = _who(who, why)
    about = frozenset(f"system:serviceaccount:{namespace}:{name}" for name in names)
    # A Secret of the token's type is filled in by Kubernetes, whoever made it.
    ordered = (Ask("create", "", "secrets", namespace),)
    read = tuple(Ask(verb, "", "secrets", namespace) for verb in ("get", "list", "watch"))
    return [
        Power("mint-token", f"have a Secret made with a token of {who}, and read it", (ordered, read), about),
        Power("run-as-reconciler", f"run Pods as {who}", (_running(namespace),), about),
        Power("run-as-reconciler", f"run commands in the Pods of {who}", (_inside(namespace),), about),
        *_of_roles_in(namespace, about),
    ]


def _of_roles_in(namespace: str, about: frozenset[str] = frozenset()) -> list[Power]:
    """Whoever gives himself rights in a namespace runs Pods there."""
    raised = (Ask("escalate", _RBAC, "roles", namespace),)
    bound = tuple(Ask("bind", _RBAC, "clusterroles", namespace, name) for name in _STRONG)
    return [
        Power("escalate", f"write roles with more rights than its own in {namespace} (escalate)", (raised,), about),
        Power("escalate", f"bind {', '.join(_STRONG)} in {namespace} (bind)", (bound,), about),
    ]


def _running(namespace: str) -> tuple[Ask, ...]:
    # The image of a Pod that runs may be changed, and then runs under the Pod's account.
    asks = [Ask(verb, "", "pods", namespace) for verb in ("create", "update", "patch")]
    for group, resources in _WORKLOADS:
        asks += [Ask(verb, group, one, namespace) for one in resources for verb in ("create", "update", "patch")]
    return tuple(asks)


def _inside(namespace: str) -> tuple[Ask, ...]:
    entered = [Ask("create", "", f"pods/{one}", namespace) for one in ("exec", "attach")]
    return (*entered, *(Ask(verb, "", "pods/ephemeralcontainers", namespace) for verb in ("update", "patch")))


def _of_anybody() -> list[Power]:
    """Ways to every account at once: kubelets run commands in any Pod, and a certificate may be for any user name."""
    kubelets = tuple(Ask(verb, "", "nodes/proxy") for verb in ("get", "create"))
    group, resource = "certificates.k8s.io", "certificatesigningrequests"
    made = (Ask("create", group, resource),)
    approved = tuple(Ask(verb, group, f"{resource}/approval") for verb in ("update", "patch"))
    # A signer's name, or all of its domain (k8s.io/kubernetes plugin/pkg/admission/certificates).
    every = Ask("approve", group, "signers", name="kubernetes.io/*")
    signed = (Ask("approve", group, "signers", name="kubernetes.io/kube-apiserver-client"), every)
    of_node = (Ask("approve", group, "signers", name="kubernetes.io/kube-apiserver-client-kubelet"), every)
    does = "have a node's client certificate signed, which gets tokens of the accounts of its Pods"
    return [
        Power("run-as-reconciler", "run commands in any Pod through kubelets (nodes/proxy)", (kubelets,)),
        Power("mint-token", "have a client certificate signed for any user name", (made, approved, signed)),
        Power("mint-token", does, (made, approved, of_node)),
        *_of_nodes(),
    ]


def _of_nodes() -> list[Power]:
    """A node gets tokens of the accounts of its Pods."""
    does = "impersonate nodes, which get tokens of the accounts of their Pods"
    user, group = (
        Ask("impersonate", "", "users", name="system:node:*"),
        Ask("impersonate", "", "groups", name="system:nodes"),
    )
    found = [Power("mint-token", does, ((user,), (group,)))]
    for mode in _NODE_MODES:
        node = Ask(f"impersonate:{mode}", _AUTHENTICATION, "nodes", name="*")
        token = Ask(f"impersonate-on:{mode}:create", "", "serviceaccounts/token", ANYWHERE)
        found.append(Power("mint-token", does, ((node,), (token,)), where=", in "))
    return found


def _of_identity() -> list[Power]:
    verbs = ("impersonate", "impersonate:user-info")
    extras = ("userextras/scopes", "userextras/authentication.kubernetes.io/pod-name")
    return [
        Power("impersonate-identity", "impersonate UIDs", (tuple(Ask(v, _AUTHENTICATION, "uids") for v in verbs),)),
        Power(
            "impersonate-identity",
            "impersonate extra attributes",
            (tuple(Ask(v, _AUTHENTICATION, key) for v in verbs for key in extras),),
        ),
    ]


def _of_roles() -> list[Power]:
    raised = tuple(Ask("escalate", _RBAC, one) for one in ("clusterroles", "roles"))
    bound = (Ask("bind", _RBAC, "clusterroles", name="cluster-admin"),)
    return [
        Power("escalate", "write roles with more rights than its own (escalate)", (raised,)),
        Power("escalate", "bind cluster-admin (bind)", (bound,)),
    ]


def _of_registration(name: str) -> Power:
    resource = "validatingwebhookconfigurations"
    asks = [Ask(verb, "admissionregistration.k8s.io", resource, name=name) for verb in ("update", "patch", "delete")]
    asks.append(Ask("deletecollection", "admissionregistration.k8s.io", resource))
    return Power("write-registration", f"change or remove the registration {name}", (tuple(asks),))


def _of_mutation() -> Power:
    """Who asks is whom guards believe; what is asked is then what the webhook made of it."""
    group, resource = "admissionregistration.k8s.io", "mutatingwebhookconfigurations"
    asks = tuple(Ask(verb, group, resource) for verb in ("create", "update", "patch"))
    return Power("write-registration", "register mutating webhooks, which change what others write", (asks,))


def _of_namespace(namespace: str) -> list[Power]:
    def written(group: str, *resources: str) -> tuple[Ask, ...]:
        verbs = ("create", "update", "patch", "delete")
        return tuple(Ask(verb, group, one, namespace) for one in resources for verb in verbs)

    where = f"in {namespace}"
    return [
        Power(
            "write-gateway",
            f"write ConfigMaps {where}: the configuration, and which approvals were seen",
            (written("", "configmaps"),),
        ),
        Power("write-gateway", f"write Secrets {where}: certificates, keys", (written("", "secrets"),)),
        Power(
            "write-gateway",
            f"read Secrets {where}",
            (tuple(Ask(v, "", "secrets", namespace) for v in ("get", "list", "watch")),),
        ),
        Power("write-gateway", f"run Pods {where}", (_running(namespace),)),
        Power("write-gateway", f"run commands in the Pods {where}", (_inside(namespace),)),
        *_of_roles_in(namespace),
    ]


def _held(verb: str) -> tuple[Ask, ...]:
    return (Ask(verb, _GOVGATE, "breakglasses", ANYWHERE),)


def _of_break_glass() -> list[Power]:
    written = tuple(Ask(verb, _GOVGATE, "breakglasses/status") for verb in ("update", "patch"))
    return [
        Power("break-glass-approve", "approve break-glass", (_held("approve"),), where=" in "),
        Power("break-glass-request", "ask for break-glass", (_held("request"),), where=" in "),
        Power("break-glass-status", "write the status of break-glass grants", (written,)),
    ]
