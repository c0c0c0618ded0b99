"""The PushSecret, field by field, with the CRD's defaults; and what is wrong with one before anything is read.

Source: ``apis/externalsecrets/v1alpha1/pushsecret_types.go`` and ``design`` of ``dataTo`` of ESO.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from gateway.core.durations import parse_duration
from gateway.core.finding import Action
from gateway_secrets.external.fault_parts import named, pattern, rewrite_faults, template
from gateway_secrets.external.faults import Fault
from gateway_secrets.external.generators import DYNAMIC, ref_faults
from gateway_secrets.external.labels import selector_faults
from gateway_secrets.external.spec import (
    GROUP,
    GeneratorRef,
    Json,
    Rewrite,
    StoreRef,
    Template,
    TemplateMeta,
    without_nulls,
)
from gateway_secrets.external.store import Selector
from gateway_secrets.stores.errors import MisconfiguredError
from gateway_secrets.stores.pushed import envelope

KIND = "PushSecret"
API_VERSION = f"{GROUP}/v1alpha1"
MAX_PUSHES = 1_000

Conversion = Literal["None", "ReverseUnicode"]


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    pass


class PushStore(_Part, frozen=True):
    """``secretStoreRefs[]``: by name, or all of a kind that have labels."""

    name: str = ""
    kind: Literal["SecretStore", "ClusterSecretStore"] = "SecretStore"
    label_selector: Selector | None = None

    def means(self, ref: StoreRef, labels: dict[str, str] | None) -> bool:
        """Whether it is a store; by its labels only if it has no name."""
        if ref.kind != self.kind:
            return False
        if self.name:
            return ref.name == self.name
        return self.label_selector is not None and labels is not None and self.label_selector.selects(labels)


class RemoteRef(_Part, frozen=True):
    """Where to; without ``property``, the whole."""

    remote_key: str
    property: str = ""


class Match(_Part, frozen=True):
    """Which key of the Secret; without one, all of them as a JSON object."""

    remote_ref: RemoteRef
    secret_key: str = ""


class PushData(_Part, frozen=True):
    """``data[]``."""

    match: Match
    metadata: Any = None
    conversion_strategy: Conversion = "None"


class KeyMatch(_Part, frozen=True):
    """``dataTo[].match``: a pattern (RE2) of keys; all without one."""

    regexp: str = ""


class PushDataTo(_Part, frozen=True):
    """``dataTo[]``: each key that matches as a secret of its own, or all as one JSON object at ``remoteKey``."""

    store_ref: PushStore | None = None
    remote_key: str = ""
    match: KeyMatch = KeyMatch()
    rewrite: tuple[Rewrite, ...] = ()
    metadata: Any = None
    conversion_strategy: Conversion = "None"


class SourceSecret(_Part, frozen=True):
    """``selector.secret``: by name; or all that have labels, if it has none."""

    name: str = ""
    selector: Selector | None = None


class PushSelector(_Part, frozen=True):
    """``selector``."""

    secret: SourceSecret | None = None
    generator_ref: GeneratorRef | None = None


class PushSpec(_Part, frozen=True):
    """``spec``."""

    secret_store_refs: tuple[PushStore, ...]
    selector: PushSelector
    refresh_interval: str = "1h"
    update_policy: Literal["Replace", "IfNotExists"] = "Replace"
    deletion_policy: Literal["Delete", "None"] = "None"
    data: tuple[PushData, ...] = ()
    data_to: tuple[PushDataTo, ...] = ()
    template: Template | None = None

    def interval_seconds(self) -> float | None:
        """Between two pushes; None: there is none without a change.

        Raises:
            ValueError: it is no duration.
        """
        seconds = parse_duration(self.refresh_interval)
        return seconds if seconds > 0 else None

    @property
    def generator(self) -> GeneratorRef | None:
        """What makes the values; None: they are in Secrets."""
        return self.selector.generator_ref

    @property
    def source(self) -> SourceSecret:
        """Which Secrets."""
        return self.selector.secret or SourceSecret()


def spec_of(document: Json) -> PushSpec:
    """What a PushSecret says.

    Raises:
        msgspec.ValidationError: it is none.
    """
    return msgspec.convert(without_nulls(document.get("spec") or {}), PushSpec)


def push_faults(spec: PushSpec) -> Iterator[Fault]:
    """What is wrong with a PushSecret that can be read, but for its interval."""
    yield from _selector(spec)
    yield from _template(spec.template)
    if not spec.secret_store_refs:
        yield Fault("push", "spec.secretStoreRefs", "names no store", "name a store, or labels of stores")
    for at, one in enumerate(spec.secret_store_refs):
        yield from _store(one, f"spec.secretStoreRefs[{at}]")
    if len(spec.data) > MAX_PUSHES:
        yield Fault("push", "spec.data", f"more than {MAX_PUSHES}", "make several PushSecrets")
    for at, entry in enumerate(spec.data):
        yield from _metadata(entry.metadata, f"spec.data[{at}].metadata")
    for at, every in enumerate(spec.data_to):
        yield from _data_to(every, spec.secret_store_refs, f"spec.dataTo[{at}]")


def _selector(spec: PushSpec) -> Iterator[Fault]:
    where, source, generator = "spec.selector", spec.source, spec.generator
    if generator is not None:
        yield from ref_faults(generator, f"{where}.generatorRef")
        if generator.kind == DYNAMIC:
            said = f"{DYNAMIC}: what it makes ends with its lease, which nothing would renew in a store"
            yield Fault("generator", f"{where}.generatorRef", said, "push a Password or UUID", here=True)
        if spec.selector.secret is not None:
            yield Fault("push", where, "has secret and generatorRef", "leave out one of the two")
    elif not source.name and source.selector is None:
        yield Fault("push", f"{where}.secret.name", "names no Secret", "name the Secret that is to be pushed")
    if source.name:
        yield from named(source.name, f"{where}.secret.name", "a Secret")
    if source.selector is not None and source.name:
        # As in ESO.
        what = "is not used where a name is given"
        yield Fault("push", f"{where}.secret.selector", what, "leave out one of the two", Action.WARN)
    elif source.selector is not None:
        yield from selector_faults(source.selector, f"{where}.secret.selector", "push")


def _template(given: Template | None) -> Iterator[Fault]:
    if given is None:
        return
    for key, text in given.data.items():
        yield from template(text, f"spec.template.data[{key}]")
    for at, source in enumerate(given.template_from):
        where = f"spec.template.templateFrom[{at}]"
        yield from template(source.literal or "", f"{where}.literal")
        if source.target.lower() not in ("", "data"):
            yield _unsupported(f"{where}.target")
    if given.metadata != TemplateMeta():
        yield _unsupported("spec.template.metadata")


def _store(one: PushStore, where: str) -> Iterator[Fault]:
    if one.label_selector is None and not one.name:
        yield Fault("push", where, "names no store", "name a store, or labels of stores")
    elif one.name:
        yield from named(one.name, f"{where}.name", "a store")


def _data_to(one: PushDataTo, stores: Sequence[PushStore], where: str) -> Iterator[Fault]:
    ref = one.store_ref
    if ref is None:
        yield Fault("push", f"{where}.storeRef", "is missing", "say to which of the stores")
    else:
        yield from _store(ref, f"{where}.storeRef")
        listed = (other for other in stores if other.kind == ref.kind)
        if ref.name and not any(other.name == ref.name or other.label_selector is not None for other in listed):
            yield Fault("push", f"{where}.storeRef", "is none of spec.secretStoreRefs", "list it there, too")
    yield from pattern(one.match.regexp, f"{where}.match.regexp")
    for at, rewrite in enumerate(one.rewrite):
        at_rewrite = f"{where}.rewrite[{at}]"
        yield from rewrite_faults(rewrite, at_rewrite)
        if rewrite.merge is not None:
            yield Fault("rewrite", f"{at_rewrite}.merge", "has nothing to merge here", "use regexp or transform")
    if one.rewrite and one.remote_key:
        # ESO ignores it.
        what = "is not used where all keys go to one remoteKey"
        yield Fault("rewrite", f"{where}.rewrite", what, "leave out one of the two", Action.WARN)
    yield from _metadata(one.metadata, f"{where}.metadata")


def _metadata(metadata: Any, where: str) -> Iterator[Fault]:
    if metadata is None:
        return
    try:
        envelope(metadata, where=where)
    except MisconfiguredError as error:
        problem = str(error).removeprefix(f"{where}: ")
        yield Fault("push", where, problem[:300], "write it as a PushSecretMetadata")


def _unsupported(field: str) -> Fault:
    return Fault("unsupported", field, "is not done here", "leave it out, or leave this PushSecret to ESO", here=True)
