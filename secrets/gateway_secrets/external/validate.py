"""What is wrong with an ExternalSecret or a store, before anything is read: the rules of ESO's webhook, and of its CRD.

One function for admission, ``govgate check`` and the controller. Source: ``externalsecret_validator.go`` and
``secretstore_validator.go`` of ESO. Pure, but for patterns and templates, which Go's own parsers read in the native library.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from gateway.core.finding import Action
from gateway.native import paths
from gateway.native.library import NativeError
from gateway.native.templates import TemplateError, check_templates
from gateway_secrets.external.allowed import ANNOTATION, AllowedError, allowed_of
from gateway_secrets.external.cluster import CLUSTER_KIND, ClusterSpec
from gateway_secrets.external.renderer import DIALECT
from gateway_secrets.external.spec import (
    API_VERSION,
    KIND,
    EntryFrom,
    Json,
    Rewrite,
    Spec,
    Template,
    spec_of,
    without_nulls,
)
from gateway_secrets.external.store import CLUSTER_STORE, CONTROLLER, StoreSpec
from gateway_secrets.stores.table import PROVIDERS

ACCOUNT_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105 - the name of a type
BOOTSTRAP_TOKEN = "bootstrap.kubernetes.io/token"  # noqa: S105 - the same
ACCOUNT_NAME = "kubernetes.io/service-account.name"
KINDS = frozenset((KIND, "SecretStore", CLUSTER_STORE, CLUSTER_KIND))
TARGETS = frozenset(("", "data", "annotations", "labels"))
UNOWNED = frozenset(("Merge", "None", "CreateOrMerge"))
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MAX_NAME = 253


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong. ``rule``: the last part of a finding's rule."""

    rule: str
    field: str
    message: str
    remedy: str
    action: Action = Action.DENY

    def __str__(self) -> str:
        return f"{self.field}: {self.message}; {self.remedy}"


def faults(document: Json) -> list[Fault]:
    """What is wrong with an object of ``external-secrets.io/v1``; nothing with one of another kind.

    Raises:
        NativeMissingError: it has patterns, and there is no native library to read them.
    """
    kind = document.get("kind")
    if document.get("apiVersion") != API_VERSION or kind not in KINDS:
        return []
    try:
        if kind == KIND:
            return list(_external(spec_of(document), document.get("spec") or {}))
        if kind == CLUSTER_KIND:
            return list(_cluster(document))
        spec = msgspec.convert(without_nulls(document.get("spec") or {}), StoreSpec)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        where = f"spec{path.rstrip('`')}"
        if problem.startswith("Invalid enum value"):
            problem = "is not one of the values that are known"
        return [Fault("malformed", where, problem[:300], "see the fields of external-secrets.io/v1")]
    return list(_store(spec, document))


def _external(spec: Spec, raw: Json) -> Iterator[Fault]:
    if not spec.data and not spec.data_from:
        yield Fault("no-source", "spec", "has neither data nor dataFrom", "say what is to be read")
    yield from _target(spec, raw)
    yield from _template(spec.target.template)
    for index, entry in enumerate(spec.data_from):
        yield from _from(entry, f"spec.dataFrom[{index}]")
    yield from _keys(spec)
    for index, one in enumerate(spec.data):
        if one.source_ref is not None and one.source_ref.generator_ref is not None:
            where = f"spec.data[{index}].sourceRef"
            yield Fault("one-source", where, "names a generator", "generators belong in dataFrom")
    for ref in spec.stores():
        if not ref.name:
            yield Fault("no-store", "spec.secretStoreRef", "names no store", "name the store, or one in each sourceRef")
        elif not _is_name(ref.name):
            yield Fault("malformed", "spec.secretStoreRef.name", "is no name of an object", "name the store")
    try:
        spec.interval_seconds()
    except ValueError:
        yield Fault("malformed", "spec.refreshInterval", "is no duration", "write it as 1h, 15m or 30s")


def _cluster(document: Json) -> Iterator[Fault]:
    """What is wrong with a ClusterExternalSecret: with itself, and with the ExternalSecrets that it would make."""
    spec = msgspec.convert(without_nulls(document.get("spec") or {}), ClusterSpec)
    if spec.external_secret_name and not _is_name(spec.external_secret_name):
        yield Fault(
            "malformed", "spec.externalSecretName", "is no name of an object", "use small letters, digits, - and ."
        )
    try:
        spec.refresh_seconds()
    except ValueError:
        yield Fault("malformed", "spec.refreshTime", "is no duration", "write it as 1h, 15m or 30s")
    inner: Json = {"apiVersion": API_VERSION, "kind": KIND, "spec": spec.external_secret_spec}
    for fault in faults(inner):
        yield msgspec.structs.replace(fault, field=fault.field.replace("spec", "spec.externalSecretSpec", 1))


def _target(spec: Spec, raw: Json) -> Iterator[Fault]:
    target, where = spec.target, "spec.target"
    if target.name and not _is_name(target.name):
        yield Fault("malformed", f"{where}.name", "is no name of a Secret", "use small letters, digits, - and .")
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
    if (raw.get("target") or {}).get("manifest") is not None:
        what = "makes something else than a Secret, which is not done here"
        yield Fault("unsupported", f"{where}.manifest", what, "leave it out")
    if raw.get("syncWindows") is not None:
        yield Fault("unsupported", "spec.syncWindows", "would be ignored here", "leave it out")


def _template(template: Template | None) -> Iterator[Fault]:
    if template is None:
        return
    where = "spec.target.template"
    if template.type == BOOTSTRAP_TOKEN:
        yield Fault("privileged-template", f"{where}.type", f"makes a {BOOTSTRAP_TOKEN}", "use another type")
    for part, texts in (
        ("data", template.data),
        ("metadata.labels", template.metadata.labels),
        ("metadata.annotations", template.metadata.annotations),
    ):
        for key, text in texts.items():
            yield from _text(text, f"{where}.{part}[{key}]")
    for index, source in enumerate(template.template_from):
        at, target = f"{where}.templateFrom[{index}]", source.target.lower()
        yield from _text(source.literal or "", f"{at}.literal")
        if target not in TARGETS:
            yield Fault(
                "template-target", f"{at}.target", "is none of Data, Annotations and Labels", "name one of these"
            )
        if template.type == ACCOUNT_TOKEN and target == "annotations":
            yield Fault("privileged-template", at, f"may annotate a {ACCOUNT_TOKEN}", "use another type")
        if [source.config_map, source.secret, source.literal].count(None) == 3:  # noqa: PLR2004 - all there are
            yield Fault("template-source", at, "names no template", "give configMap, secret or literal")
    if template.type == ACCOUNT_TOKEN and ACCOUNT_NAME in template.metadata.annotations:
        yield Fault(
            "privileged-template",
            f"{where}.metadata.annotations",
            f"makes a {ACCOUNT_TOKEN} of an account: a token that never ends",
            "use another type, or ask for a token",
        )


def _from(entry: EntryFrom, where: str) -> Iterator[Fault]:
    sources = [entry.extract, entry.find, entry.generator]
    if sources.count(None) < 2:  # noqa: PLR2004 - of three, one may be there
        yield Fault("one-source", where, "has several of extract, find and a generator", "make an entry of each")
    if sources.count(None) == 3:  # noqa: PLR2004 - all three
        yield Fault("one-source", where, "has none of extract, find and sourceRef.generatorRef", "say what to read")
    source = entry.source_ref
    if source is not None and source.generator_ref is None and source.store_ref is None:
        yield Fault("one-source", f"{where}.sourceRef", "names neither a store nor a generator", "name one")
    if entry.find is not None:
        if not entry.find.name.regexp and not entry.find.tags and not entry.find.path:
            yield Fault("find-all", f"{where}.find", "finds all that the store holds", "narrow it", Action.WARN)
        yield from _pattern(entry.find.name.regexp, f"{where}.find.name.regexp")
    for index, rewrite in enumerate(entry.rewrite):
        yield from _rewrite(rewrite, f"{where}.rewrite[{index}]")


def _rewrite(rewrite: Rewrite, where: str) -> Iterator[Fault]:
    if [rewrite.regexp, rewrite.transform, rewrite.merge].count(None) != 2:  # noqa: PLR2004 - one of three
        yield Fault("rewrite", where, "needs exactly one of regexp, transform and merge", "make an item of each")
    if rewrite.regexp is not None:
        yield from _pattern(rewrite.regexp.source, f"{where}.regexp.source")
    if rewrite.transform is not None:
        yield from _text(rewrite.transform.template, f"{where}.transform.template")
    if rewrite.merge is not None and rewrite.merge.strategy == "JSON" and not rewrite.merge.into:
        yield Fault("rewrite", f"{where}.merge.into", "is missing, and strategy JSON needs it", "name the key")


def _pattern(pattern: str, where: str) -> Iterator[Fault]:
    if pattern:
        try:
            paths.matching(pattern, ())
        except NativeError as error:
            yield Fault("pattern", where, str(error)[:300], "write it in RE2's syntax")


def _text(text: str, where: str) -> Iterator[Fault]:
    if "{{" in text:
        try:
            check_templates([text], dialect=DIALECT)
        except TemplateError as error:
            yield Fault("template", where, str(error)[:300], "it is a template of Go, with sprig and ESO's functions")


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


def _store(spec: StoreSpec, document: Json) -> Iterator[Fault]:
    for at, condition in enumerate(spec.conditions):
        for index, pattern in enumerate(condition.namespace_regexes):
            yield from _pattern(pattern, f"spec.conditions[{at}].namespaceRegexes[{index}]")
    metadata = document.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    text = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    if text is not None:
        try:
            allowed_of(str(text))
        except AllowedError as error:
            yield Fault("allowed-keys", f"metadata.annotations[{ANNOTATION}]", str(error)[:300], "until then, none is")
    if len(spec.provider) != 1:
        message = f"has {len(spec.provider)} providers"
        yield Fault("provider", "spec.provider", message, "name exactly one")
        return
    (name,) = spec.provider
    if spec.controller != CONTROLLER:
        return  # what another controller knows is for it to say
    if name not in PROVIDERS:
        known = ", ".join(sorted(PROVIDERS))
        yield Fault("provider", f"spec.provider.{name}", "is not known here", f"use one of {known}")
    elif name == "file":
        what = "reads a file of the controller's own machine"
        yield Fault("provider", "spec.provider.file", what, "use it with `govgate secrets`, without a cluster")


def is_key(text: str) -> bool:
    """Whether it can be a key of a Secret: letters, digits, ``-_.``; at most 253; not ``.``, nor beginning with ``..``."""
    return _KEY.fullmatch(text) is not None and text != "." and not text.startswith("..")


def _is_name(text: str) -> bool:
    return len(text) <= _MAX_NAME and _NAME.fullmatch(text) is not None


def refusal(found: Sequence[Fault]) -> str:
    """Why an object is refused, in one line; empty if it is not."""
    return "; ".join(str(one) for one in found if one.action is Action.DENY)[:1000]
