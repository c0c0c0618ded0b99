"""What of a Secret is stored where: by ``data``, by ``dataTo``, and with templates, in ESO's order.

Source: ``pkg/controllers/pushsecret`` of ESO. First the template fills in keys, then keys are converted, matched and rewritten.
What ``data`` names is not pushed by ``dataTo`` as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from gateway.native import paths
from gateway_secrets.external.content import Documents, filled_in
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.push_spec import MAX_PUSHES, Match, PushData, PushDataTo, PushSpec, RemoteRef
from gateway_secrets.external.renderer import Renderer
from gateway_secrets.external.rewrite import renamed
from gateway_secrets.external.spec import StoreRef
from gateway_secrets.stores.model import Reference
from gateway_secrets.stores.values import go_json

_UNICODE = re.compile(r"_U([0-9a-fA-F]{4,5})_")
_SURROGATES = range(0xD800, 0xE000)


class Push(msgspec.Struct, frozen=True):
    """One value to be stored. It is in no ``repr``."""

    entry: PushData
    value: bytes

    @property
    def reference(self) -> Reference:
        """Where to."""
        return reference_of(self.entry)

    def __repr__(self) -> str:
        return f"Push({self.reference.key!r})"


async def with_template(
    spec: PushSpec, data: Mapping[str, bytes], documents: Documents, renderer: Renderer
) -> dict[str, bytes]:
    """What the Secret holds, and what the template makes of it, which wins.

    Raises:
        ContentError: the template fails.
    """
    if spec.template is None:
        return dict(data)
    made = await filled_in(spec.template, data, documents, renderer, where="spec.template")
    return dict(data) | made["data"]


async def pushes_of(
    spec: PushSpec, data: Mapping[str, bytes], store: StoreRef, labels: Mapping[str, str] | None, renderer: Renderer
) -> list[Push]:
    """What is to be stored in a store, which has these labels, if that is known.

    Raises:
        SpecError: a key is not there, two would be stored in one place, or not all can be in a JSON object.
        ContentError: a rewrite fails.
        NativeMissingError: there is no native library.
    """
    found = [_push(entry, data, f"spec.data[{at}]") for at, entry in enumerate(spec.data)]
    named = {entry.match.secret_key for entry in spec.data}
    for at, every in enumerate(spec.data_to):
        if every.store_ref is not None and every.store_ref.means(store, None if labels is None else dict(labels)):
            found += await _all(every, data, named, renderer, f"spec.dataTo[{at}]")
    if len(found) > MAX_PUSHES:
        raise SpecError(f"spec: more than {MAX_PUSHES} values for one store")
    names = set[str]()
    for one in found:
        name = name_of(one.entry)
        if name in names:
            raise SpecError(f"spec: two values are to be stored as {name!r}")
        names.add(name)
    return found


def united(pushes: Mapping[str, list[Push]]) -> list[Push]:
    """What is to be stored of several Secrets, by their names.

    Raises:
        SpecError: two would be stored in one place, or there is too much.
    """
    found = [one for each in pushes.values() for one in each]
    if len(found) > MAX_PUSHES:
        raise SpecError(f"spec: more than {MAX_PUSHES} values for one store")
    owners: dict[str, str] = {}
    for secret, each in pushes.items():
        for one in each:
            other = owners.setdefault(name_of(one.entry), secret)
            if other != secret:
                raise SpecError(
                    f"spec: of the Secrets {other} and {secret}, both are to be stored as {name_of(one.entry)!r}"
                )
    return found


def _push(entry: PushData, data: Mapping[str, bytes], where: str) -> Push:
    keys = _converted(data, entry.conversion_strategy, where)
    values = {new: data[old] for old, new in keys.items()}
    key = entry.match.secret_key
    if key and key not in values:
        raise SpecError(f"{where}.match.secretKey: the Secret has no key {key!r}")
    return Push(entry, values[key] if key else _object(values, where))


async def _all(
    every: PushDataTo, data: Mapping[str, bytes], named: set[str], renderer: Renderer, where: str
) -> list[Push]:
    keys = _converted(data, every.conversion_strategy, where)
    matching = set(paths.matching(every.match.regexp, list(keys.values())))
    chosen = {old: new for old, new in sorted(keys.items()) if new in matching}
    how = every.metadata, every.conversion_strategy
    if every.remote_key:
        if not chosen:
            return []
        value = _object({new: data[old] for old, new in chosen.items()}, where)
        return [Push(PushData(Match(RemoteRef(every.remote_key)), *how), value)]
    chosen = {old: new for old, new in chosen.items() if not {old, new} & named}
    remote = await renamed(list(chosen.values()), every.rewrite, renderer, where=f"{where}.rewrite")
    found = []
    for (old, new), key in zip(chosen.items(), remote, strict=True):
        if not key:
            raise SpecError(f"{where}.rewrite: leaves nothing of the key {new!r}")
        found.append(Push(PushData(Match(RemoteRef(key), new), *how), data[old]))
    return found


def _converted(data: Mapping[str, bytes], strategy: str, where: str) -> dict[str, str]:
    """What each key is called."""
    if strategy == "None":
        return {key: key for key in data}
    keys = {key: _UNICODE.sub(_character, key) for key in data}
    if len(set(keys.values())) < len(keys):
        raise SpecError(f"{where}.conversionStrategy: two keys become one")
    return keys


def _character(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return found[0] if code in _SURROGATES else chr(code)


def _object(values: Mapping[str, bytes], where: str) -> bytes:
    try:
        return go_json({name: value.decode() for name, value in sorted(values.items())}, html=False)
    except UnicodeDecodeError:
        raise SpecError(f"{where}: the Secret holds what is not UTF-8: push it key by key") from None


def stores_of(spec: PushSpec, labelled: Mapping[StoreRef, dict[str, str]]) -> list[StoreRef]:
    """The stores that are meant, each once. ``labelled``: those that may be used, with their labels."""
    found: list[StoreRef] = []
    for one in spec.secret_store_refs:
        if one.name:
            found.append(StoreRef(one.name, one.kind))
        else:
            found += sorted((ref for ref, labels in labelled.items() if one.means(ref, labels)), key=str)
    return list(dict.fromkeys(found))


def reference_of(entry: PushData) -> Reference:
    """Where an entry is stored."""
    ref = entry.match.remote_ref
    return Reference(ref.remote_key, ref.property)


def name_of(entry: PushData) -> str:
    """What an entry is called in ``syncedPushSecrets``."""
    ref = entry.match.remote_ref
    return f"{ref.remote_key}/{ref.property}" if ref.property else ref.remote_key
