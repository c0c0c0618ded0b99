"""A graph of objects, which are given one after the other: of each no more is kept than its names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from gateway.core.errors import GovgateError
from gateway_secrets.external.cluster import (
    CLUSTER_KIND,
    OF_EXTERNALS,
    OF_PUSHES,
    ClusterExternal,
    ClusterKind,
    cluster_of,
    wanted_in,
)
from gateway_secrets.external.spec import API_VERSION, GROUP, EntryFrom, Spec, StoreRef, external_of, without_nulls
from gateway_secrets.external.store import CLUSTER_STORE, Selector
from gateway_secrets.graph import uses
from gateway_secrets.graph.model import Dangling, Edge, Graph, Node
from gateway_secrets.graph.uses import Json, Use, part, text
from gateway_secrets.stores.model import Reference

MAX_EDGES = 500_000
SEALED_GROUP = "bitnami.com"
_UNREADABLE = "is none that can be read (govgate check says why)"
_STORES = frozenset(("SecretStore", CLUSTER_STORE))
_VERSIONED = frozenset(("ExternalSecret", CLUSTER_KIND, *_STORES))
_CLUSTERED = {of.kind: of for of in (OF_EXTERNALS, OF_PUSHES)}
_CLUSTER_KINDS = frozenset((CLUSTER_STORE, "ClusterGenerator", *_CLUSTERED))
_KEPT_BY_OTHERS = ("kubernetes.io/service-account.name", "sealedsecrets.bitnami.com/sealed-secrets-key")
"""What a Secret bears that is used without anybody naming it."""


class TooLargeError(GovgateError):
    """More objects than a graph is made of."""


class Builder:
    """Takes objects, and makes the graph of them."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._edges: defaultdict[tuple[Node, Node], dict[str, None]] = defaultdict(dict)
        self._optional: dict[tuple[Node, Node], bool] = {}
        self._present: set[Node] = set()
        self._kept_by_others: set[Node] = set()
        self._made: set[Node] = set()
        self._stores: set[str] = set()
        self._needs: list[tuple[Node, str]] = []
        self._nodes: set[Node] = set()
        self._uids: set[str] = set()
        self._owners: dict[Node, str] = {}
        self._places: dict[str, dict[str, str]] = {}
        self._clusters: list[ClusterExternal] = []
        self._labelled: defaultdict[str, dict[Node, Json]] = defaultdict(dict)
        self._selecting: list[tuple[Node, Selector, str]] = []
        self._outdated: list[Dangling] = []

    def add(self, document: Json) -> None:
        """One object, of whatever kind: what neither makes nor uses Secrets is passed over.

        Raises:
            TooLargeError: it is one too many.
        """
        version = text(document, "apiVersion")
        group, kind = version.rpartition("/")[0], text(document, "kind")
        if group == GROUP and kind in _VERSIONED and version != API_VERSION:
            stage = "user" if kind in _STORES else "source"
            said = f"is of {version}, which govgate does not resolve: write {API_VERSION}"
            self._outdated.append(Dangling(_node(stage, document, GROUP), said))
        if group == GROUP and kind == "ExternalSecret":
            self._external(document)
        elif group == GROUP and kind in _STORES:
            self._store(document)
        elif group == GROUP and kind in _CLUSTERED:
            self._cluster(document, _CLUSTERED[kind])
        elif group == GROUP and kind == "PushSecret":
            self._push(document)
        elif not group and kind == "Namespace":
            labels = part(part(document, "metadata"), "labels")
            self._places[text(part(document, "metadata"), "name")] = {
                name: str(value) for name, value in labels.items()
            }
        elif group == SEALED_GROUP and kind == "SealedSecret":
            self._sealed(document)
        elif not group and kind == "Secret":
            self._secret(document)
        else:
            self._user(document, group, kind)
        if len(self._edges) > MAX_EDGES:
            raise TooLargeError(f"more than {MAX_EDGES} uses of Secrets: look at one namespace (--namespace)")

    def graph(self, *, makers: bool = True, users: bool = True, stores: bool = True) -> Graph:
        """Of all that was given. ``makers``, ``users``, ``stores``: whether it was all of these that there is: else of what
        seems to be missing it cannot be said that it is.
        """
        for about in self._clusters:
            for namespace in self._namespaces_of(about):
                made = wanted_in(about, namespace, {})
                if about.of is OF_PUSHES:
                    self._push(made)
                    continue
                self._external(made)
                maker = Node("source", "", CLUSTER_KIND, about.name, group=GROUP)
                self._edge(maker, _node("source", made, GROUP), ())
        for node, selector, how in self._selecting:
            selected = (one for one, labels in self._labelled[node.namespace].items() if selector.selects(labels))
            self._used_by(node, (Use(one.name, how) for one in selected))
        edges = self._drawn()
        nodes = self._nodes.union(*((edge.start, edge.end) for edge in edges)) if edges else self._nodes
        dangling = [*self._outdated, *(self._unmade(nodes) if makers else ())]
        if users:
            used = {edge.start for edge in edges}
            unused = (one for one in nodes if one.stage == "secret" and one not in used | self._kept_by_others)
            dangling += [Dangling(one, "nothing here uses it") for one in unused]
        if stores:
            missing = dict.fromkeys(one for one in self._needs if one[1] not in self._stores)
            dangling += [Dangling(node, f"there is no {store} here") for node, store in missing]
        return Graph(tuple(sorted(nodes)), edges, tuple(sorted(dangling)))

    def _drawn(self) -> tuple[Edge, ...]:
        """The edges; without what another object that is here makes, and without accounts that have no Secrets."""
        hidden = {node for node, owner in self._owners.items() if owner in self._uids}
        accounts = {end for _, end in self._edges if _is_account(end)}
        return tuple(
            sorted(
                Edge(start, end, tuple(how))
                for (start, end), how in self._edges.items()
                if end not in hidden and (start in accounts or not _is_account(start))
            )
        )

    def _unmade(self, nodes: Iterable[Node]) -> Iterator[Dangling]:
        missing = {one for one in nodes if one.stage == "secret" and one not in self._present | self._made}
        needed = {secret for (secret, _), optional in self._optional.items() if secret in missing and not optional}
        for one in missing:
            optional = any(secret == one for secret, _ in self._optional) and one not in needed
            yield Dangling(one, "nothing here makes it" + (" (its use is optional)" if optional else ""))

    def _push(self, document: Json) -> None:
        node = _node("user", document, GROUP)
        self._used_by(node, uses.uses_of_push(document))
        secret = part(part(part(document, "spec"), "selector"), "secret")
        if part(secret, "selector") and not text(secret, "name"):
            try:
                selector = msgspec.convert(without_nulls(secret["selector"]), Selector)
            except msgspec.ValidationError:
                self.problems.append(f"{node.title}: {_UNREADABLE}")
                return
            self._selecting.append((node, selector, f"{uses.pushed_to(document)}, by its labels"))

    def _cluster(self, document: Json, of: ClusterKind) -> None:
        node = _node("source" if of is OF_EXTERNALS else "user", document, GROUP)
        try:
            about = cluster_of(document, of)
        except (msgspec.ValidationError, KeyError, TypeError, ValueError, AttributeError):
            self.problems.append(f"{node.title}: {_UNREADABLE}")
            return
        self._clusters.append(about)
        if of is OF_EXTERNALS:
            self._nodes.add(node)

    def _namespaces_of(self, about: ClusterExternal) -> list[str]:
        """Those that it names, and those that are here and that it selects."""
        selected = {name for name, labels in self._places.items() if about.spec.selects(name, labels)}
        return sorted(selected.union(about.spec.namespaces))

    def _external(self, document: Json) -> None:
        node = _node("source", document, GROUP)
        self._nodes.add(node)
        try:
            external = external_of(document)
        except (msgspec.ValidationError, KeyError, TypeError, ValueError):
            # The text of the error may show a part of what is there.
            self.problems.append(f"{node.title}: {_UNREADABLE}")
            return
        spec, namespace = external.spec, node.namespace
        for entry in spec.data:
            ref, remote = spec.store_of(entry.source_ref), entry.remote_ref
            self._read(ref, namespace, remote, node, f"{_what(remote)} as {entry.secret_key}")
        for index, many in enumerate(spec.data_from):
            self._many(spec, many, node, f"dataFrom[{index}]")
        target = Node("secret", namespace, "Secret", external.target_name)
        creation = spec.target.creation_policy
        if creation != "None":
            self._edge(node, target, () if creation == "Owner" else (creation,))
        if creation not in ("None", "Merge"):
            self._made.add(target)

    def _many(self, spec: Spec, entry: EntryFrom, node: Node, how: str) -> None:
        namespace, ref = node.namespace, spec.store_of(entry.source_ref)
        if entry.extract is not None:
            self._read(ref, namespace, entry.extract, node, f"{how}: all keys of {_what(entry.extract)}")
        elif entry.find is not None:
            words = (
                entry.find.path,
                f"names like {entry.find.name.regexp}" if entry.find.name.regexp else "",
                *(f"tag {name}={value}" for name, value in sorted(entry.find.tags.items())),
            )
            store = self._needed(ref, namespace, node)
            what = Node("remote", _of_store(ref, namespace), "search", ", ".join(filter(None, words)) or "all", store)
            self._edge(what, node, (how,))
        elif entry.generator is not None:
            made_by = entry.generator
            own = "" if made_by.kind in _CLUSTER_KINDS else namespace
            self._edge(Node("remote", own, f"generator {made_by.kind}", made_by.name), node, (how,))

    def _read(self, ref: StoreRef, namespace: str, remote: Reference, node: Node, how: str) -> None:
        store = self._needed(ref, namespace, node)
        self._edge(Node("remote", _of_store(ref, namespace), "path", remote.key, store), node, (how,))

    def _needed(self, ref: StoreRef, namespace: str, node: Node) -> str:
        """What the store is called; it is noted that it has to be there."""
        store = _store_title(ref.kind, _of_store(ref, namespace), ref.name)
        self._needs.append((node, store))
        return store

    def _store(self, document: Json) -> None:
        node = _node("user", document, GROUP)
        self._stores.add(_store_title(node.kind, node.namespace, node.name))
        self._used_by(node, uses.uses_of_store(document))

    def _sealed(self, document: Json) -> None:
        node = _node("source", document, SEALED_GROUP)
        target = Node("secret", node.namespace, "Secret", node.name)
        self._edge(node, target, tuple(sorted(part(part(document, "spec"), "encryptedData"))))
        self._made.add(target)

    def _secret(self, document: Json) -> None:
        node = _node("secret", document, "")
        metadata = part(document, "metadata")
        marks = part(metadata, "labels") | part(metadata, "annotations")
        system = marks.get("owner") == "helm" or any(name in marks for name in _KEPT_BY_OTHERS)
        self._present.add(node)
        self._labelled[node.namespace][node] = part(metadata, "labels")
        if system:
            self._kept_by_others.add(node)
        else:
            self._nodes.add(node)

    def _user(self, document: Json, group: str, kind: str) -> None:
        pod = uses.pod_of(document)
        node = _node("user", document, group)
        if pod is not None:
            metadata = part(document, "metadata")
            self._uids.update(filter(None, [text(metadata, "uid")]))
            owners = [
                one
                for one in uses.items(metadata, "ownerReferences")
                if isinstance(one, dict) and one.get("controller") is True
            ]
            if owners:
                self._owners[node] = text(owners[0], "uid")
            self._used_by(node, uses.uses_of_pod(pod))
            account = text(pod, "serviceAccountName") or text(pod, "serviceAccount") or "default"
            self._edge(Node("user", node.namespace, "ServiceAccount", account), node, ("serviceAccountName",))
        elif not group and kind == "ServiceAccount":
            self._used_by(node, uses.uses_of_account(document))
        elif group == "networking.k8s.io" and kind == "Ingress":
            self._used_by(node, uses.uses_of_ingress(document))

    def _used_by(self, node: Node, found: Iterable[Use]) -> None:
        for use in found:
            if node.kind == CLUSTER_STORE and not use.namespace:
                continue  # of each namespace its own
            secret = Node("secret", use.namespace or node.namespace, "Secret", use.secret)
            self._edge(secret, node, (use.how,))
            self._optional[secret, node] = use.optional and self._optional.get((secret, node), True)

    def _edge(self, start: Node, end: Node, how: Iterable[str]) -> None:
        self._edges[start, end].update(dict.fromkeys(how))


def _node(stage: str, document: Json, group: str) -> Node:
    metadata, kind = part(document, "metadata"), text(document, "kind")
    namespace = "" if kind in _CLUSTER_KINDS else text(metadata, "namespace")
    name = text(metadata, "name") or text(metadata, "generateName")
    return msgspec.convert({"stage": stage, "namespace": namespace, "kind": kind, "name": name, "group": group}, Node)


def _is_account(node: Node) -> bool:
    return node.kind == "ServiceAccount" and not node.group


def _of_store(ref: StoreRef, namespace: str) -> str:
    return "" if ref.kind == CLUSTER_STORE else namespace


def _store_title(kind: str, namespace: str, name: str) -> str:
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def _what(remote: Reference) -> str:
    version = f" of version {remote.version}" if remote.version else ""
    return (remote.property or "the whole") + version
