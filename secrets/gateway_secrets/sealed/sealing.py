"""Secrets into SealedSecrets and back: whole objects. Pure, but for the randomness of the encryption.

The shape is the one that kubeseal writes: metadata that states the scope, a template with the Secret's own metadata and
type, one sealed value a key. Source: bitnami-labs/sealed-secrets v0.40.0, NewSealedSecret and Unseal in
``pkg/apis/sealedsecrets/v1alpha1/sealedsecret_expansion.go``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from gateway_secrets.sealed import hybrid
from gateway_secrets.sealed.certificate import Certificate, expiry
from gateway_secrets.sealed.digest import DigestKey, Place
from gateway_secrets.sealed.errors import InputError, SealError, UnsealError
from gateway_secrets.sealed.objects import API_VERSION, KIND, Sealed, Secret
from gateway_secrets.sealed.records import Note, Notes, place_of, read_notes, with_notes, without_notes
from gateway_secrets.sealed.scope import Scope, label_of, scope_of, with_scope


class Sealing(msgspec.Struct, frozen=True):
    """What to seal with. ``until``: an earlier end than the certificate's own.

    ``digests``: without it every value is sealed anew. ``renewed``: values that are sealed with another certificate,
    which is not expired at ``now``, stay as they are if their plaintext does. ``anew``: none stays. ``notes``: whether to
    write annotations of govgate's own.
    """

    certificate: Certificate
    now: datetime
    until: datetime | None = None
    digests: DigestKey | None = None
    renewed: bool = False
    anew: bool = False
    notes: bool = True

    def annotated(self, annotations: Mapping[str, str], values: Mapping[str, str], notes: Notes) -> dict[str, str]:
        """The annotations with the notes, if there are to be any."""
        return with_notes(annotations, values, notes if self.notes else Notes())


class Made(msgspec.Struct, frozen=True):
    """A SealedSecret. ``sealed``: the keys whose values are new; ``kept``: those whose values are the former ones."""

    document: dict[str, Any]
    sealed: tuple[str, ...]
    kept: tuple[str, ...] = ()


def seal_secret(secret: Secret, scope: Scope, sealing: Sealing, previous: Sealed | None = None) -> Made:
    """The SealedSecret of a Secret. ``previous``: what it takes the place of; values that did not change are kept.

    Of a previous one, the metadata that people gave it stays, and ``spec.template.data``.
    """
    _owed_namespace(secret.namespace, scope)
    values, notes, made = _seal_values(secret, scope, sealing, previous)
    metadata: dict[str, Any] = {"name": secret.name}
    if secret.namespace:
        metadata["namespace"] = secret.namespace
    former: dict[str, Any] = (previous.document.get("metadata") or {}) if previous is not None else {}
    metadata |= {key: item for key, item in former.items() if key not in {"name", "namespace", "annotations"}}
    own = with_scope(without_notes(previous.annotations if previous is not None else {}), scope)
    _annotate(metadata, sealing.annotated(own, values, notes))
    template = _template(secret, scope)
    if previous is not None and previous.template.get("data"):
        template["data"] = previous.template["data"]
    spec = {"encryptedData": dict(sorted(values.items())), "template": template}
    return Made({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}, *made)


def merge_secret(secret: Secret, target: Sealed, sealing: Sealing) -> Made:
    """A SealedSecret with the values, labels and annotations of a Secret put into it, sealed for the target's scope."""
    _owed_namespace(target.namespace, target.scope)
    placed = msgspec.structs.replace(secret, name=target.name, namespace=target.namespace)
    values, notes, made = _seal_values(placed, target.scope, sealing, target)
    merged = target.values | values
    before = read_notes(target.annotations, target.values)
    digests = {key: note for key, note in before.values.items() if key not in values}
    if before.by != notes.by:
        digests = {key: msgspec.structs.replace(note, digest="") for key, note in digests.items()}
    document = _copy(target.document)
    _annotate(
        _within(document, "metadata"),
        sealing.annotated(target.annotations, merged, Notes(digests | notes.values, notes.by)),
    )
    spec = _within(document, "spec")
    spec["encryptedData"] = merged
    inner = _within(_within(spec, "template"), "metadata")
    ours = _template(placed, target.scope)["metadata"]
    for field in ("annotations", "labels"):
        if ours.get(field):
            inner[field] = (inner.get(field) or {}) | ours[field]
    return Made(document, *made)


def unseal_values(sealed: Sealed, keys: Sequence[RSAPrivateKey]) -> dict[str, bytes]:
    """The plaintexts, by key. Name, namespace and scope are those of the SealedSecret itself, not of its template.

    Raises:
        UnsealError: some cannot be opened; names their keys.
        MalformedBlobError: some are not built as sealed values.
    """
    label = label_of(sealed.scope, sealed.namespace, sealed.name)
    found: dict[str, bytes] = {}
    errors: dict[str, SealError] = {}
    for key, text in sealed.values.items():
        try:
            found[key] = hybrid.unseal(keys, hybrid.decode(text), label)
        except SealError as error:
            errors[key] = error
    if errors:
        first = next(iter(errors.values()))
        raise type(first)(f"{sealed}: {', '.join(errors)}: {first}")
    return found


def reencrypt(sealed: Sealed, keys: Sequence[RSAPrivateKey], sealing: Sealing) -> Made:
    """The same SealedSecret for another certificate: scope, template and all else stay.

    Values that the certificate's own key opens, if it is among the keys, stay as they are.

    Raises:
        UnsealError, MalformedBlobError: as :func:`unseal_values`.
    """
    plain = unseal_values(sealed, keys)
    label = label_of(sealed.scope, sealed.namespace, sealed.name)
    present = [key for key in keys if key.public_key() == sealing.certificate.public_key]
    kept = {key: text for key, text in sealed.values.items() if present and _opens(present, text, label)}
    values = {key: kept.get(key) or _sealed(sealing, plain[key], label) for key in sealed.values}
    notes = Notes(
        {
            key: _note(sealing, _place(sealed.scope, sealed.namespace, sealed.name, key), values[key], plain[key])
            for key in values
        },
        sealing.digests.id if sealing.digests is not None else "",
    )
    document = _copy(sealed.document)
    _annotate(_within(document, "metadata"), sealing.annotated(sealed.annotations, values, notes))
    _within(document, "spec")["encryptedData"] = values
    return Made(document, tuple(key for key in values if key not in kept), tuple(kept))


def with_values(sealed: Sealed, values: Mapping[str, str], certificate: Certificate | None) -> Made:
    """A SealedSecret with values that somebody else sealed again, with ``certificate`` if that is known.

    Raises:
        InputError: they are not for the same keys.
    """
    if set(values) != set(sealed.values):
        raise InputError(f"{sealed}: what came back does not have the same keys")
    place = place_of(sealed.scope, sealed.namespace, sealed.name)
    note = Note(certificate.fingerprint, certificate.not_after, place=place) if certificate else None
    made = dict.fromkeys(values, note) if note is not None else {}
    document = _copy(sealed.document)
    _annotate(_within(document, "metadata"), with_notes(sealed.annotations, values, Notes(made)))
    _within(document, "spec")["encryptedData"] = {key: values[key] for key in sealed.values}
    return Made(document, tuple(values))


def recovered(sealed: Sealed, values: Mapping[str, bytes]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The Secret that the controller would make of it, and the keys of templates that only the controller can render.

    Values that are sealed win over those of the template; a key that is null in the template is left out.
    """
    template = sealed.template
    data = dict(values)
    unrendered = []
    for key, text in (template.get("data") or {}).items():
        if text is None:
            data.pop(key, None)
        elif key in sealed.values:
            continue
        elif "{{" in text:
            unrendered.append(key)
        else:
            data[key] = text.encode()
    metadata: dict[str, Any] = {"name": sealed.name}
    if sealed.namespace:
        metadata["namespace"] = sealed.namespace
    inner = template.get("metadata") or {}
    metadata |= {key: item for key, item in inner.items() if key not in {"name", "namespace", "creationTimestamp"}}
    secret: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    secret |= {field: template[field] for field in ("type", "immutable") if template.get(field) is not None}
    secret["data"] = {key: hybrid.encode(value) for key, value in data.items()}
    return secret, tuple(unrendered)


def scope_for(secret: Secret, asked: Scope | None) -> Scope:
    """The scope asked for; else what the Secret's annotations state."""
    return asked if asked is not None else scope_of(secret.annotations)


_Values = tuple[dict[str, str], Notes, tuple[tuple[str, ...], tuple[str, ...]]]


def _seal_values(secret: Secret, scope: Scope, sealing: Sealing, previous: Sealed | None) -> _Values:
    kept = dict(_unchanged(secret, scope, sealing, previous)) if previous is not None else {}
    label = label_of(scope, secret.namespace, secret.name)
    values, notes = {}, {}
    for key, plaintext in secret.values.items():
        if key in kept and previous is not None:
            values[key], notes[key] = previous.values[key], kept[key]
            continue
        values[key] = _sealed(sealing, plaintext, label)
        notes[key] = _note(sealing, _place(scope, secret.namespace, secret.name, key), values[key], plaintext)
    by = sealing.digests.id if sealing.digests is not None else ""
    return values, Notes(notes, by), (tuple(key for key in values if key not in kept), tuple(kept))


def _unchanged(secret: Secret, scope: Scope, sealing: Sealing, previous: Sealed) -> Iterable[tuple[str, Note]]:
    """The keys whose former sealed value is still good, with what is noted about it.

    A digest is of one scope, namespace, name and key: one that matches was made for where the value goes now.
    """
    notes = read_notes(previous.annotations, previous.values)
    if sealing.anew or sealing.digests is None or notes.by != sealing.digests.id:
        return
    for key, plaintext in secret.values.items():
        note = notes.values.get(key)
        if note is None:
            continue
        same = note.fingerprint == sealing.certificate.fingerprint
        if not same and not (sealing.renewed and note.expires > sealing.now):
            continue
        place = _place(scope, secret.namespace, secret.name, key)
        if sealing.digests.matches(note.digest, place, note.fingerprint, previous.values[key], plaintext):
            yield key, note


def _note(sealing: Sealing, place: Place, sealed: str, plaintext: bytes) -> Note:
    fingerprint = sealing.certificate.fingerprint
    digest = sealing.digests.digest(place, fingerprint, sealed, plaintext) if sealing.digests is not None else ""
    return Note(
        fingerprint,
        expiry(sealing.certificate, sealing.until),
        digest,
        place_of(place.scope, place.namespace, place.name),
    )


def _template(secret: Secret, scope: Scope) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": secret.name}
    if secret.namespace:
        metadata["namespace"] = secret.namespace
    metadata |= secret.metadata
    _annotate(metadata, with_scope(without_notes(secret.annotations), scope))
    template: dict[str, Any] = {"metadata": metadata}
    if secret.type:
        template["type"] = secret.type
    if secret.immutable is not None:
        template["immutable"] = secret.immutable
    return template


def _annotate(metadata: dict[str, Any], annotations: Mapping[str, str]) -> None:
    if annotations:
        metadata["annotations"] = dict(annotations)
    else:
        metadata.pop("annotations", None)


def _sealed(sealing: Sealing, plaintext: bytes, label: bytes) -> str:
    return hybrid.encode(hybrid.seal(sealing.certificate.public_key, plaintext, label))


def _opens(keys: Sequence[RSAPrivateKey], text: str, label: bytes) -> bool:
    try:
        hybrid.unseal(keys, hybrid.decode(text), label)
    except UnsealError:
        return False
    return True


def _place(scope: Scope, namespace: str, name: str, key: str) -> Place:
    return Place(scope, namespace, name, key)


def _owed_namespace(namespace: str, scope: Scope) -> None:
    if not namespace and scope is not Scope.CLUSTER_WIDE:
        raise InputError(f"sealing with scope {scope} needs a namespace (--namespace)")


def _within(value: dict[str, Any], field: str) -> dict[str, Any]:
    """A mapping in another, made if it is not there."""
    found: dict[str, Any] = value.get(field) or {}
    value[field] = found
    return found


def _copy(document: Mapping[str, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))
    return copied
