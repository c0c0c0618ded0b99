"""Values that are made, not read: by Password and UUID of ``generators.external-secrets.io/v1alpha1``, and which are made elsewhere.

A value is made here once. The Secret is what remembers it: what is there under a key that a generator fills stays there, whatever
becomes of the ExternalSecret, and however often it is looked at. Whoever wants another one deletes the key, or the Secret.

Source: ``apis/generators/v1alpha1`` and ``generators/v1`` of ESO.
"""

from __future__ import annotations

import base64
import random
import string
import uuid
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any, Literal

import msgspec

from gateway_secrets.external.errors import SpecError, UnsupportedError
from gateway_secrets.external.fault_parts import fault_of, named, unknown
from gateway_secrets.external.faults import Fault
from gateway_secrets.external.spec import GeneratorRef, Json, Spec, without_nulls
from gateway_secrets.external.store import CONTROLLER
from gateway_secrets.stores.errors import StoreError
from gateway_secrets.stores.vault_dynamic_spec import DynamicSpec, dynamic_spec

GROUP = "generators.external-secrets.io"
API_VERSION = f"{GROUP}/v1alpha1"
DYNAMIC = "VaultDynamicSecret"
"""What Vault makes: see :mod:`.made`."""
PLURALS = {
    "Password": "passwords",
    "UUID": "uuids",
    DYNAMIC: "vaultdynamicsecrets",
    "ClusterGenerator": "clustergenerators",
}
CLUSTER = "ClusterGenerator"
REMEMBERED = ("Password", "UUID")
"""Kinds of what is made once, and remembered by the Secret; also by a ClusterGenerator, which does not say it itself."""
MAX_LENGTH = 4_096
MAX_KEYS = 100
_SYMBOLS = '~!@#$%^&*()_+`-={}|[]\\:"<>?,./'
_PART = 4
"""Of digits, and of symbols, there is one in so many characters, unless it is said how many."""

Choice = random.Random
"""Where chance comes from: the system's, but in tests."""


class PasswordSpec(msgspec.Struct, frozen=True, rename="camel"):
    """``spec`` of a Password."""

    length: int = 24
    digits: int | None = None
    symbols: int | None = None
    symbol_characters: str = _SYMBOLS
    no_upper: bool = False
    allow_repeat: bool = False
    encoding: Literal["raw", "base64", "base64url", "base32", "hex"] = "raw"
    secret_keys: tuple[str, ...] = ()


_ENCODINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "raw": bytes,
    "base64": base64.b64encode,
    "base64url": base64.urlsafe_b64encode,
    "base32": base64.b32encode,
    "hex": lambda value: value.hex().encode(),
}


def check_kept(spec: Spec, kinds: Container[str] = REMEMBERED) -> None:
    """Whether the Secret can remember what generators of these kinds make.

    Raises:
        UnsupportedError: its template puts something else in the place of the values.
    """
    template = spec.target.template
    replaced = template is not None and (template.data or template.template_from) and template.merge_policy == "Replace"
    if replaced and any(entry.generator is not None and entry.generator.kind in kinds for entry in spec.data_from):
        raise UnsupportedError(
            "spec.target.template: replaces the values, and what generators make is remembered in the Secret: "
            "set mergePolicy: Merge"
        )


def resource_of(ref: GeneratorRef) -> str:
    """The plural name of a generator's type.

    Raises:
        UnsupportedError: it is none that is run here.
    """
    if ref.api_version != API_VERSION or ref.kind not in PLURALS:
        known = ", ".join(sorted(PLURALS))
        raise UnsupportedError(
            f"generator {ref.kind[:64]} of {ref.api_version[:64]} is not run here: use one of {known} of {API_VERSION}"
        )
    return PLURALS[ref.kind]


def ref_faults(ref: GeneratorRef, where: str) -> Iterator[Fault]:
    """What is wrong with a reference to a generator."""
    yield from named(ref.name, f"{where}.name", "a generator")
    try:
        resource_of(ref)
    except SpecError as error:
        yield msgspec.structs.replace(fault_of(error, "generator", "use another one", here=True), field=where)


def dynamic_of(document: Json) -> Json | None:
    """``spec`` of the VaultDynamicSecret that a generator is, or wraps; None if it is another one."""
    kind, spec = document.get("kind"), document.get("spec")
    if kind == CLUSTER and isinstance(spec, dict):
        kind, inner = spec.get("kind"), spec.get("generator")
        spec = inner.get("vaultDynamicSecretSpec") if isinstance(inner, dict) else None
    if kind != DYNAMIC:
        return None
    found: Json = without_nulls(spec) if isinstance(spec, dict) else {}
    return found


def generator_faults(document: Json) -> Iterator[Fault]:
    """What is wrong with a generator that is govgate's: what others know is for them to say."""
    spec = dynamic_of(document)
    if spec is None or spec.get("controller") != CONTROLLER:
        return
    where = "spec.generator.vaultDynamicSecretSpec" if document.get("kind") == CLUSTER else "spec"
    yield from unknown(spec, DynamicSpec, where, rule="generator")
    try:
        dynamic_spec(spec, where=where)
    except StoreError as error:
        yield fault_of(error, "generator", f"see the fields of {API_VERSION}")


def made_by(document: Json, choice: Choice | None = None) -> dict[str, bytes]:
    """New values by a generator, as the API server gives it.

    Raises:
        SpecError: it says what cannot be done.
    """
    kind, name = str(document.get("kind")), str((document.get("metadata") or {}).get("name"))
    spec = without_nulls(document.get("spec") or {})
    if kind == CLUSTER:
        kind, inner = str(spec.get("kind")), spec.get("generator") or {}
        spec = inner.get(f"{kind.lower()}Spec") or {} if isinstance(inner, dict) else {}
    if kind == "UUID":
        return {"uuid": str(uuid.uuid4()).encode()}
    if kind != "Password":
        raise SpecError(f"{CLUSTER} {name}: kind {kind[:64]} is not run here")
    return _passwords(spec, f"Password {name}", choice or random.SystemRandom())


def _passwords(document: Any, where: str, choice: Choice) -> dict[str, bytes]:
    try:
        spec = msgspec.convert(document, PasswordSpec)
    except msgspec.ValidationError as error:
        raise SpecError(f"{where}: spec: {str(error)[:200]}") from None
    keys = spec.secret_keys or ("password",)
    if len(keys) > MAX_KEYS or len(set(keys)) != len(keys) or not all(keys):
        raise SpecError(f"{where}: spec.secretKeys: has to be at most {MAX_KEYS} names, each once")
    return {key: _ENCODINGS[spec.encoding](_password(spec, where, choice).encode()) for key in keys}


def _password(spec: PasswordSpec, where: str, choice: Choice) -> str:
    """So many digits, so many symbols, letters for the rest, in any order."""
    length = spec.length if spec.length > 0 else 24
    digits = length // _PART if spec.digits is None else spec.digits
    symbols = length // _PART if spec.symbols is None else spec.symbols
    if length > MAX_LENGTH:
        raise SpecError(f"{where}: spec.length: at most {MAX_LENGTH}")
    if digits < 0 or symbols < 0 or digits + symbols > length:
        raise SpecError(f"{where}: spec: so many digits and symbols do not fit into spec.length")
    letters = string.ascii_lowercase if spec.no_upper else string.ascii_letters
    wanted = {
        "letters": (letters, length - digits - symbols),
        "digits": (string.digits, digits),
        "symbols": (spec.symbol_characters or _SYMBOLS, symbols),
    }
    characters: list[str] = []
    for name, (among, count) in wanted.items():
        different = "".join(dict.fromkeys(among))
        if spec.allow_repeat:
            characters += choice.choices(different, k=count)
        elif count > len(different):
            raise SpecError(f"{where}: spec: there are only {len(different)} {name}: set allowRepeat, or want fewer")
        else:
            characters += choice.sample(different, count)
    choice.shuffle(characters)
    return "".join(characters)
