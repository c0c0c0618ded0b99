"""What is wrong with an ExternalSecret, a PushSecret or a store, before anything is read: the rules of ESO's webhook, and of
its CRDs.

One function for admission, ``govgate check`` and the controller. Source: ``externalsecret_validator.go`` and
``secretstore_validator.go`` of ESO. Pure, but for patterns and templates, which Go's own parsers read in the native library.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.core.finding import Action
from gateway_secrets.external import generators
from gateway_secrets.external import push_spec as push
from gateway_secrets.external.cluster import (
    CLUSTER_KIND,
    CLUSTER_PUSH,
    OF_EXTERNALS,
    OF_PUSHES,
    ClusterKind,
    ClusterPushSpec,
    ClusterSpec,
)
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.fault_parts import (
    fault_of,
    is_key,
    is_label,
    named,
    pattern,
    rewrite_faults,
    template,
    unknown,
)
from gateway_secrets.external.faults import Fault
from gateway_secrets.external.generators import check_kept, ref_faults
from gateway_secrets.external.spec import (
    API_VERSION,
    GROUP,
    KIND,
    EntryFrom,
    Json,
    SourceRef,
    Spec,
    Template,
    TemplateFrom,
    without_nulls,
)
from gateway_secrets.external.store import CLUSTER_STORE, StoreSpec
from gateway_secrets.external.validate_store import store_faults

ACCOUNT_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105 - the name of a type
BOOTSTRAP_TOKEN = "bootstrap.kubernetes.io/token"  # noqa: S105 - the same
ACCOUNT_NAME = "kubernetes.io/service-account.name"
KINDS = frozenset((KIND, "SecretStore", CLUSTER_STORE, CLUSTER_KIND, push.KIND, CLUSTER_PUSH))
OBJECTS = frozenset((
    *((GROUP, kind) for kind in KINDS), *((generators.GROUP, kind) for kind in (generators.DYNAMIC, generators.CLUSTER)),
))  # fmt: skip
"""Groups and kinds of what faults are looked for in."""
TARGETS = frozenset(("", "data", "annotations", "labels"))
UNOWNED = frozenset(("Merge", "None", "CreateOrMerge"))
LEAST_REFRESH_SECONDS = 10.0
"""Between two refreshes, unless something else is configured."""
_FINALIZER = re.compile(r"[a-z0-9.-]{1,253}/[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_SPECS: dict[str, type] = {
    KIND: Spec,
    CLUSTER_KIND: ClusterSpec,
    CLUSTER_PUSH: ClusterPushSpec,
    "SecretStore": StoreSpec,
    CLUSTER_STORE: StoreSpec,
    push.KIND: push.PushSpec,
}


class _Object(msgspec.Struct, frozen=True, rename="camel"):
    """The fields of any object."""

    api_version: Any = None
    kind: Any = None
    metadata: Any = None
    spec: Any = None
    status: Any = None


def faults(document: Json, *, least_refresh: float = LEAST_REFRESH_SECONDS, claimed: bool = False) -> list[Fault]:
    """What is wrong with an object of ``external-secrets.io``; nothing with one of another group, or of a kind that is unknown.

    ``claimed``: a store is govgate's, whether it says so or its namespace is handed over.

    Raises:
        NativeMissingError: it has patterns, and there is no native library to read them.
    """
    kind, version = document.get("kind"), str(document.get("apiVersion"))
    if version == generators.API_VERSION:
        return list(generators.generator_faults(document))
    if kind not in KINDS or version.partition("/")[0] != GROUP:
        return []
    right = push.API_VERSION if kind in (push.KIND, CLUSTER_PUSH) else API_VERSION
    if version != right:
        said = f"{version[:64]} is not read here, nor served by ESO since 0.17: write {right}"
        return [Fault("api-version", "apiVersion", said, "the fields are the same, from v1beta1 on; check again")]
    spec = without_nulls(document.get("spec") or {})
    found = [*unknown(document, _Object, ""), *unknown(spec, _SPECS[kind], "spec")]
    found = [msgspec.structs.replace(one, field=one.field.lstrip(".")) for one in found]
    try:
        return found + list(_faults(str(kind), spec, document, least_refresh, claimed=claimed))
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        where = f"spec{path.rstrip('`')}"
        if problem.startswith("Invalid enum value"):
            problem = "is not one of the values that are known"
        return [*found, Fault("malformed", where, problem[:300], f"see the fields of {right}")]


def _faults(kind: str, spec: Any, document: Json, least: float, *, claimed: bool) -> Iterator[Fault]:
    """What is wrong beside names of fields.

    Raises:
        msgspec.ValidationError: it cannot be read at all.
    """
    if kind == push.KIND:
        found = msgspec.convert(spec, push.PushSpec)
        yield from push.push_faults(found)
        yield from _interval(found.interval_seconds, "spec.refreshInterval", least)
    elif kind == KIND:
        yield from _external(msgspec.convert(spec, Spec), least)
    elif kind == CLUSTER_KIND:
        found_cluster = msgspec.convert(spec, ClusterSpec)
        for index, name in enumerate(found_cluster.namespaces):
            if not is_label(name):
                yield Fault("malformed", f"spec.namespaces[{index}]", "is no name of a namespace", "name one; no globs")
        yield from _cluster(found_cluster, OF_EXTERNALS, least)
    elif kind == CLUSTER_PUSH:
        yield from _cluster(msgspec.convert(spec, ClusterPushSpec), OF_PUSHES, least)
    else:
        yield from store_faults(msgspec.convert(spec, StoreSpec), document, claimed=claimed)


def _external(spec: Spec, least: float) -> Iterator[Fault]:
    if not spec.data and not spec.data_from:
        yield Fault("no-source", "spec", "has neither data nor dataFrom", "say what is to be read")
    yield from _target(spec)
    yield from _template(spec.target.template)
    for index, entry in enumerate(spec.data_from):
        yield from _from(entry, f"spec.dataFrom[{index}]")
    yield from _keys(spec)
    yield from _kept(spec)
    yield from _frozen(spec)
    yield from _stores(spec)
    yield from _interval(spec.interval_seconds, "spec.refreshInterval", least)


def _interval(read: Any, field: str, least: float) -> Iterator[Fault]:
    try:
        seconds = read() or 0.0
    except ValueError:
        yield Fault("malformed", field, "is no duration", "write it as 1h, 15m or 30s")
        return
    if 0 < seconds < least:
        said = f"is below the least, {least:g} s, which is what govgate takes in its place"
        remedy = "write that, or more (controller.external.minRefreshSeconds is the least)"
        yield Fault("refresh-interval", field, said, remedy, Action.WARN)


def _stores(spec: Spec) -> Iterator[Fault]:
    sources = [(f"spec.data[{at}]", one.source_ref) for at, one in enumerate(spec.data)]
    sources += [(f"spec.dataFrom[{at}]", one.source_ref) for at, one in enumerate(spec.data_from)]
    refs = [("spec.secretStoreRef", spec.secret_store_ref)]
    refs += [(f"{at}.sourceRef.storeRef", one.store_ref) for at, one in sources if one is not None and one.store_ref]
    for where, ref in refs:
        if ref.name:
            yield from named(ref.name, f"{where}.name", "a store")
    if not all(ref.name for ref in spec.stores()):
        yield Fault("no-store", "spec.secretStoreRef", "names no store", "name the store, or one in each sourceRef")


def _cluster(spec: ClusterSpec | ClusterPushSpec, of: ClusterKind, least: float) -> Iterator[Fault]:
    """What is wrong with one that makes objects in namespaces: with itself, and with what it would make."""
    name, _, made = spec.made
    if name:
        yield from named(name, f"spec.{of.prefix}Name")
    try:
        spec.refresh_seconds()
    except ValueError:
        yield Fault("malformed", "spec.refreshTime", "is no duration", "write it as 1h, 15m or 30s")
    inner: Json = {"apiVersion": of.api_version, "kind": of.made, "spec": made}
    for fault in faults(inner, least_refresh=least):
        yield msgspec.structs.replace(fault, field=fault.field.replace("spec", f"spec.{of.prefix}Spec", 1))


def _target(spec: Spec) -> Iterator[Fault]:
    target, where = spec.target, "spec.target"
    if target.name:
        yield from named(target.name, f"{where}.name", "a Secret")
    if target.deletion_policy == "Delete" and target.creation_policy in UNOWNED:
        yield Fault(
            "policies",
            f"{where}.deletionPolicy",
            f"Delete with creationPolicy {target.creation_policy}: the Secret is not this object's to delete",
            "set creationPolicy: Owner, or another deletionPolicy",
        )
    if target.deletion_policy == "Merge" and target.creation_policy == "None":
        yield Fault(
            "policies",
            f"{where}.deletionPolicy",
            "Merge with creationPolicy None: there is no Secret to take keys from",
            "set another creationPolicy or deletionPolicy",
        )
    if target.manifest is not None:
        what = "makes something else than a Secret, which is not done here"
        yield Fault("unsupported", f"{where}.manifest", what, "leave it out", here=True)
    if spec.sync_windows is not None:
        yield Fault("unsupported", "spec.syncWindows", "would be ignored here", "leave it out", here=True)


def _template(given: Template | None) -> Iterator[Fault]:
    if given is None:
        return
    where = "spec.target.template"
    if given.type == BOOTSTRAP_TOKEN:
        yield Fault("privileged-template", f"{where}.type", f"makes a {BOOTSTRAP_TOKEN}", "use another type")
    for part, texts in (
        ("data", given.data),
        ("metadata.labels", given.metadata.labels),
        ("metadata.annotations", given.metadata.annotations),
    ):
        for key, text in texts.items():
            yield from template(text, f"{where}.{part}[{key}]")
    for index, finalizer in enumerate(given.metadata.finalizers):
        if not _FINALIZER.fullmatch(finalizer):
            yield Fault(
                "malformed", f"{where}.metadata.finalizers[{index}]", "is no finalizer", "write it as example.com/name"
            )
    for index, source in enumerate(given.template_from):
        at = f"{where}.templateFrom[{index}]"
        yield from _template_from(source, at)
        if given.type == ACCOUNT_TOKEN and source.target.lower() == "annotations":
            yield Fault("privileged-template", at, f"may annotate a {ACCOUNT_TOKEN}", "use another type")
    if given.type == ACCOUNT_TOKEN and ACCOUNT_NAME in given.metadata.annotations:
        yield Fault(
            "privileged-template",
            f"{where}.metadata.annotations",
            f"makes a {ACCOUNT_TOKEN} of an account: a token that never ends",
            "use another type, or ask for a token",
        )


def _template_from(source: TemplateFrom, at: str) -> Iterator[Fault]:
    yield from template(source.literal or "", f"{at}.literal")
    for field, ref in (("configMap", source.config_map), ("secret", source.secret)):
        if ref is None:
            continue
        yield from named(ref.name, f"{at}.{field}.name", f"a {field[0].upper()}{field[1:]}")
        for index, item in enumerate(ref.items):
            if not is_key(item.key):
                where = f"{at}.{field}.items[{index}].key"
                yield Fault("malformed", where, "is no key", "use letters, digits, - _ and .")
    if source.target.lower() not in TARGETS:
        yield Fault("template-target", f"{at}.target", "is none of Data, Annotations and Labels", "name one of these")
    if [source.config_map, source.secret, source.literal].count(None) == 3:  # noqa: PLR2004 - all there are
        yield Fault("template-source", at, "names no template", "give configMap, secret or literal")


def _from(entry: EntryFrom, where: str) -> Iterator[Fault]:
    sources = [entry.extract, entry.find, entry.generator]
    if sources.count(None) < 2:  # noqa: PLR2004 - of three, one may be there
        yield Fault("one-source", where, "has several of extract, find and a generator", "make an entry of each")
    if sources.count(None) == 3:  # noqa: PLR2004 - all three
        yield Fault("one-source", where, "has none of extract, find and sourceRef.generatorRef", "say what to read")
    yield from _source(entry.source_ref, f"{where}.sourceRef")
    if entry.generator is not None:
        yield from ref_faults(entry.generator, f"{where}.sourceRef.generatorRef")
    if entry.find is not None:
        if not entry.find.name.regexp and not entry.find.tags and not entry.find.path:
            yield Fault("find-all", f"{where}.find", "finds all that the store holds", "narrow it", Action.WARN)
        yield from pattern(entry.find.name.regexp, f"{where}.find.name.regexp")
    for index, rewrite in enumerate(entry.rewrite):
        yield from rewrite_faults(rewrite, f"{where}.rewrite[{index}]")


def _source(source: SourceRef | None, where: str) -> Iterator[Fault]:
    """The CRD takes exactly one of the two."""
    if source is None:
        return
    if source.generator_ref is None and source.store_ref is None:
        yield Fault("one-source", where, "names neither a store nor a generator", "name one")
    if source.generator_ref is not None and source.store_ref is not None:
        yield Fault("one-source", where, "names a store and a generator", "name one")


def _keys(spec: Spec) -> Iterator[Fault]:
    seen = set()
    for index, entry in enumerate(spec.data):
        where = f"spec.data[{index}].secretKey"
        if not is_key(entry.secret_key):
            yield Fault("malformed", where, "is no key of a Secret", "use letters, digits, - _ and .")
        if entry.secret_key in seen:
            # ESO lets it pass with other policies, where the last one wins.
            action = Action.DENY if spec.target.deletion_policy == "Retain" else Action.WARN
            yield Fault("duplicate-key", where, f"{entry.secret_key!r} is there twice", "leave one out", action)
        seen.add(entry.secret_key)
        source = entry.source_ref
        if source is not None and source.generator_ref is not None:
            at = f"spec.data[{index}].sourceRef"
            yield Fault("one-source", at, "names a generator", "generators belong in dataFrom")
        else:
            yield from _source(source, f"spec.data[{index}].sourceRef")


def _kept(spec: Spec) -> Iterator[Fault]:
    try:
        check_kept(spec)
    except SpecError as error:
        yield fault_of(error, "generator", "set mergePolicy: Merge", here=True)


def _frozen(spec: Spec) -> Iterator[Fault]:
    """What Vault makes ends with its lease, and nothing could take its place."""
    if spec.target.immutable and any(
        one.generator is not None and one.generator.kind == generators.DYNAMIC for one in spec.data_from
    ):
        said = f"with a {generators.DYNAMIC}: what it makes ends with its lease, and could not be replaced"
        yield Fault("generator", "spec.target.immutable", said, "leave out one of the two", here=True)
