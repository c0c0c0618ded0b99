"""Who can become a reconciler, or take govgate out, by RBAC: what is asked of the walk, and what is made of the answers.

Kubernetes' own subjects, the reconcilers and govgate itself are trusted with it and not told of. Source of what
impersonation asks: ``k8s.io/apiserver/pkg/endpoints/filters/impersonation`` (1.36; ``impersonate:serviceaccount`` and
``impersonate:user-info`` since its feature ConstrainedImpersonation).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.config.model import Config
from gateway.core.finding import Finding, Resource, Severity
from gateway.doctor.known import kubernetes_own
from gateway.doctor.rbac import Ask, Grant, Subject, account_of, allows
from gateway.doctor.rules import found

_RBAC = "rbac.authorization.k8s.io"
_AUTHENTICATION = "authentication.k8s.io"
_WORKLOADS = (
    ("apps", ("deployments", "daemonsets", "statefulsets", "replicasets")),
    ("batch", ("jobs", "cronjobs")),
    ("", ("replicationcontrollers",)),
)
_EVERYBODY = {
    Subject("Group", "system:authenticated"),
    Subject("Group", "system:unauthenticated"),
    Subject("Group", "system:serviceaccounts"),
    Subject("User", "system:anonymous"),
}
_SHOWN = 4


class Power(msgspec.Struct, frozen=True):
    """One thing to be able to do. ``all_of``: of each group of questions one must be answered with yes."""

    rule: str
    does: str
    all_of: tuple[tuple[Ask, ...], ...]


class Actors(msgspec.Struct, frozen=True):
    """Whom reconcilers act as: user names and groups."""

    users: tuple[str, ...]
    groups: tuple[str, ...]


def actors_of(config: Config) -> Actors:
    """Of all configured reconcilers, those that are switched off left out."""
    users: dict[str, None] = {}
    groups: dict[str, None] = {}
    for name in config.drift.__struct_fields__:
        section = getattr(config.drift, name)
        actors = getattr(section, "actors", None)
        if actors is None or getattr(section, "mode", "disabled") == "disabled":
            continue
        users |= dict.fromkeys(actors.users)
        groups |= dict.fromkeys(actors.groups)
    return Actors(tuple(users), tuple(groups))


def powers(actors: Actors, namespace: str, registration: str) -> list[Power]:
    """Everything to ask. ``namespace``: govgate's own; ``registration``: its name."""
    asked = [_group("system:masters"), *(_group(name) for name in actors.groups)]
    for user in actors.users:
        account = account_of(user)
        asked += _of_account(*account) if account else [_of_user(user)]
    return [
        *asked,
        *_of_anybody(),
        *_of_identity(),
        *_of_roles(),
        _of_registration(registration),
        *_of_namespace(namespace),
    ]


def holders(granted: Sequence[Grant], asked: Sequence[Power], actors: Actors, namespace: str) -> list[Finding]:
    """A finding for each subject and rule, with all that it can do by it. The reconcilers may do all this, and so may
    the accounts of govgate's own ``namespace``: whoever writes there can replace govgate.
    """
    held: dict[Subject, list[Grant]] = {}
    for grant in granted:
        if not _trusted(grant.subject, actors, namespace) and not kubernetes_own(grant):
            held.setdefault(grant.subject, []).append(grant)
    results: list[Finding] = []
    for subject, grants in sorted(held.items()):
        everything = next((one for one in grants if one.rule.unbounded and not one.namespace), None)
        if everything is not None:
            results.append(_finding("full-access", subject, ["do everything"], [everything]))
            continue
        can: dict[str, tuple[list[str], list[Grant]]] = {}
        for power in asked:
            answers = [next((g for g in grants for ask in group if allows(g, ask)), None) for group in power.all_of]
            if all(answers):
                does, by = can.setdefault(power.rule, ([], []))
                does.append(power.does)
                by += [answer for answer in answers if answer is not None]
        results += [_finding(rule, subject, does, by) for rule, (does, by) in can.items()]
    return results


def _trusted(subject: Subject, actors: Actors, namespace: str) -> bool:
    if subject.kind == "Group":
        return subject.name in {*actors.groups, f"system:serviceaccounts:{namespace}"}
    account = account_of(subject.name)
    return subject.name in actors.users or (account is not None and account[0] == namespace)


def _finding(rule: str, subject: Subject, does: Sequence[str], by: Sequence[Grant]) -> Finding:
    kind, namespace, name = by[0].binding
    roles = ", ".join(dict.fromkeys(f"{one.role} ({one.binding[0]} {_place(one)})" for one in by))
    distinct = list(dict.fromkeys(does))
    more = f", and {len(distinct) - _SHOWN} more" if len(distinct) > _SHOWN else ""
    return found(
        rule,
        Resource(f"{_RBAC}/v1", kind, namespace, name),
        f"{subject} can {'; '.join(distinct[:_SHOWN])}{more}, by {roles}",
        field=f"subjects[kind={subject.kind},name={subject.name}]",
        severity=Severity.CRITICAL if subject in _EVERYBODY else None,
    )


def _place(grant: Grant) -> str:
    _, namespace, name = grant.binding
    return f"{namespace}/{name}" if namespace else name


def _group(name: str) -> Power:
    asks = (
        Ask("impersonate", "", "groups", name=name),
        Ask("impersonate:user-info", _AUTHENTICATION, "groups", name=name),
    )
    return Power("impersonate-group", f"impersonate the group {name}", (asks,))


def _of_user(user: str) -> Power:
    asks = (
        Ask("impersonate", "", "users", name=user),
        Ask("impersonate:user-info", _AUTHENTICATION, "users", name=user),
    )
    return Power("impersonate-reconciler", f"impersonate {user}", (asks,))


def _of_account(namespace: str, name: str) -> list[Power]:
    who = f"{namespace}/{name}"
    become = (
        Ask("impersonate", "", "serviceaccounts", namespace, name),
        Ask("impersonate:serviceaccount", _AUTHENTICATION, "serviceaccounts", namespace, name),
    )
    token = (Ask("create", "", "serviceaccounts/token", namespace, name),)
    # A Secret of the token's type is filled in by Kubernetes, whoever made it.
    ordered = (Ask("create", "", "secrets", namespace),)
    read = tuple(Ask(verb, "", "secrets", namespace) for verb in ("get", "list", "watch"))
    return [
        Power("impersonate-reconciler", f"impersonate {who}", (become,)),
        Power("mint-token", f"create a token of {who}", (token,)),
        Power("mint-token", f"have a Secret made with a token of {who}, and read it", (ordered, read)),
        Power("run-as-reconciler", f"run Pods as {who}", (_running(namespace),)),
        Power("run-as-reconciler", f"run commands in the Pods of {who}", (_inside(namespace),)),
    ]


def _running(namespace: str) -> tuple[Ask, ...]:
    asks = [Ask("create", "", "pods", namespace)]
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
    signed = (Ask("approve", group, "signers", name="kubernetes.io/kube-apiserver-client"),)
    return [
        Power("run-as-reconciler", "run commands in any Pod through kubelets (nodes/proxy)", (kubelets,)),
        Power("mint-token", "have a client certificate signed for any user name", (made, approved, signed)),
    ]


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


def _of_namespace(namespace: str) -> list[Power]:
    def written(group: str, *resources: str) -> tuple[Ask, ...]:
        verbs = ("create", "update", "patch", "delete")
        return tuple(Ask(verb, group, one, namespace) for one in resources for verb in verbs)

    where = f"in {namespace}"
    return [
        Power("write-gateway", f"write ConfigMaps {where}: the configuration", (written("", "configmaps"),)),
        Power("write-gateway", f"write Secrets {where}: certificates, keys", (written("", "secrets"),)),
        Power(
            "write-gateway",
            f"read Secrets {where}",
            (tuple(Ask(v, "", "secrets", namespace) for v in ("get", "list", "watch")),),
        ),
        Power("write-gateway", f"run Pods {where}", (_running(namespace),)),
        Power("write-gateway", f"run commands in the Pods {where}", (_inside(namespace),)),
    ]
