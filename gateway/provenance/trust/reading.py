"""From what somebody wrote to a policy that can be evaluated: files read, patterns checked, nothing left for later.

A TrustPolicy of the cluster is read by :func:`read_object`; it can name no files: they would be the gateway's own. What
is in objects of the cluster was read before, by whoever calls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from gateway.config.files import read_bounded
from gateway.config.provenance import (
    Attestation,
    Certificates,
    Provenance,
    TrustAuthority,
    TrustedIdentity,
    TrustedKey,
    TrustedRoot,
    TrustPolicy,
)
from gateway.core.canonical import sha256_digest
from gateway.core.errors import ConfigError
from gateway.core.subject import Json
from gateway.provenance.evidence import Authority, Identity, Key, Levels, Signed
from gateway.provenance.trust.patterns import matches, meant
from gateway.provenance.trust.places import Refer, no_place, place_of

GROUP = "govgate.dev"
KIND = "TrustPolicy"
API_VERSION = "govgate.dev/v1alpha1"
MAX_FILE_BYTES = 1024 * 1024

Read = Callable[[str], bytes]
"""The content of a file that a policy names.

Raises:
    ConfigError: it may not be read, or cannot be.
"""


class _Contents(NamedTuple):
    file: Read
    place: Refer


class Trust(msgspec.Struct, frozen=True):
    """A policy ready to be evaluated. ``digest`` is of everything it says, files and objects included: the cache's key.

    ``unusable``: why it cannot be evaluated; then it leaves undecided whatever it is about.
    """

    policy: TrustPolicy
    authorities: tuple[Authority, ...]
    digest: str
    source: str = "configuration"
    unusable: str = ""

    @property
    def name(self) -> str:
        """Its name."""
        return self.policy.name

    def concerns(self, repository: str) -> bool:
        """Whether it is about a repository, such as ``ghcr.io/acme/app``."""
        return concerns(self.policy, repository)

    def names(self, registry: str) -> bool:
        """Whether it names a registry itself, not by a wildcard."""
        return any(pattern.partition("/")[0] == registry for pattern in self.policy.repositories)

    @property
    def needs_all(self) -> bool:
        """Whether it is not enough to have found something: what else there is matters as well."""
        return any(attestation.match == "all" for attestation in self.policy.attestations)

    def boundary(self, now: datetime, signed: Sequence[Signed] = ()) -> datetime | None:
        """When evidence found at ``now`` has to be found anew: a key's validity changes, or something that was ``signed``
        holds only until then.
        """
        ends = [one.valid_until for one in signed if one.valid_until is not None]
        times = ends + [
            time
            for authority in self.authorities
            for key in authority.keys
            for time in (key.not_before, key.not_after, key.revoked_at)
            if time is not None and time > now
        ]
        return min(times, default=None)


def concerns(policy: TrustPolicy, repository: str) -> bool:
    """Whether a policy is about a repository, whatever else it says."""
    return any(matches(pattern, repository) for pattern in policy.repositories)


def read_file(path: str) -> bytes:
    """A file named in the configuration.

    Raises:
        ConfigError: it cannot be read.
    """
    return read_bounded(path, max_bytes=MAX_FILE_BYTES)


def no_file(path: str) -> bytes:
    """For policies of the cluster.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(f"file {path!r}: a TrustPolicy of the cluster names no files: write the content into it")


def read_policy(policy: TrustPolicy, *, source: str, read: Read = read_file, refer: Refer = no_place) -> Trust:
    """A policy made ready.

    Raises:
        ConfigError: it says something that cannot be meant; names where.
    """
    where = f"{source}: TrustPolicy {policy.name}"
    names = [authority.name for authority in policy.authorities]
    if len(set(names)) != len(names):
        raise ConfigError(f"{where}: two authorities have one name")
    for pattern in policy.repositories:
        _check_pattern(pattern, f"{where}: repositories")
    for index, attestation in enumerate(policy.attestations):
        _check_attestation(attestation, names, f"{where}: attestations[{index}]")
    if not policy.signature and not policy.attestations:
        raise ConfigError(f"{where}: signature: false, and no attestations: nothing would be demanded")
    if not policy.formats:
        raise ConfigError(f"{where}: formats: name at least one")
    contents = _Contents(read, refer)
    authorities = tuple(
        _authority(one, policy, contents, f"{where}: authority {one.name}") for one in policy.authorities
    )
    digest = sha256_digest(msgspec.json.encode((policy, authorities), order="deterministic"))
    return Trust(policy, authorities, digest, source)


def read_object(document: Json, *, source: str, refer: Refer = no_place) -> Trust:
    """A TrustPolicy object of the cluster, or of a file.

    Raises:
        ConfigError: it is none, or says something that cannot be meant.
    """
    return read_policy(policy_of(document, source=source), source=source, read=no_file, refer=refer)


def policy_of(document: Json, *, source: str) -> TrustPolicy:
    """What a TrustPolicy object says.

    Raises:
        ConfigError: it is none, or says something that cannot be meant.
    """
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    spec = document.get("spec")
    if document.get("kind") != KIND or document.get("apiVersion") != API_VERSION:
        raise ConfigError(f"{source}: expected a {KIND} of {API_VERSION}")
    if not isinstance(name, str) or not isinstance(spec, dict):
        raise ConfigError(f"{source}: a {KIND} needs metadata.name and spec")
    try:
        return msgspec.convert({**spec, "name": name}, TrustPolicy)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        raise ConfigError(f"{source}: {KIND} {name}: spec{path.rstrip('`')}: {problem}") from None


def stand_in(document: Json, name: str, why: str, *, source: str) -> Trust:
    """For a policy of the cluster that cannot be used: about the same repositories, or all where they cannot be read.

    Its mode is the policy's if that can be read, else ``deny``.
    """
    spec = document.get("spec")
    told = spec if isinstance(spec, dict) else {}
    listed, mode = told.get("repositories"), told.get("mode")
    readable = isinstance(listed, list) and listed and all(isinstance(one, str) and one for one in listed)
    repositories = tuple(meant(one) or "**" for one in listed) if readable and isinstance(listed, list) else ("**",)
    policy = TrustPolicy(repositories=repositories, authorities=(), name=name)
    if mode in {"warn", "audit"}:
        policy = msgspec.structs.replace(policy, mode=mode)
    digest = sha256_digest(json.dumps([document, why], sort_keys=True, default=str).encode())
    return Trust(policy, (), digest, source, unusable=why)


def unusable(policy: TrustPolicy, why: str, *, source: str) -> Trust:
    """For a policy that can be read, while what it refers to cannot: about the same repositories, in the same mode."""
    digest = sha256_digest(msgspec.json.encode((policy, why), order="deterministic"))
    return Trust(policy, (), digest, source, unusable=why)


def _check_pattern(pattern: str, where: str) -> None:
    written = meant(pattern)
    if not written:
        raise ConfigError(f"{where}: {pattern!r} is no pattern of a registry and a repository, such as ghcr.io/acme/**")
    if written != pattern:
        raise ConfigError(f"{where}: no repository has a name like {pattern!r}: write {written!r}")


def _check_attestation(attestation: Attestation, names: list[str], where: str) -> None:
    for name in attestation.authorities:
        if name not in names:
            raise ConfigError(f"{where}: there is no authority {name}")
    if attestation.match == "all" and not attestation.rego:
        raise ConfigError(f"{where}: match: all: of what? Write the rule that all of them must satisfy (rego)")


def _authority(one: TrustAuthority, policy: TrustPolicy, contents: _Contents, where: str) -> Authority:
    notation = one.notation
    anchors = _certificates(notation, contents, f"{where}: notation")
    services = _certificates(notation.signing_authority, contents, f"{where}: notation.signingAuthority")
    stamping = _certificates(notation.tsa, contents, f"{where}: notation.tsa")
    if not one.keys and not one.identities and not anchors and not services:
        raise ConfigError(f"{where}: nobody is trusted: name keys, identities or notation")
    if stamping and not anchors:
        raise ConfigError(
            f"{where}: notation.tsa vouches for the time of signatures under notation.pem: name those too"
        )
    if notation.require_timestamp and not stamping:
        raise ConfigError(f"{where}: notation.requireTimestamp needs notation.tsa: nobody's time stamp would count")
    return Authority(
        one.name,
        keys=tuple(_key(key, contents, f"{where}: keys[{index}]") for index, key in enumerate(one.keys)),
        identities=tuple(_identity(i, f"{where}: identities[{index}]") for index, i in enumerate(one.identities)),
        trusted_root=_content(one.trusted_root, one.trusted_root.json, contents, f"{where}: trustedRoot"),
        levels=Levels(one.require_log, one.allow_tsa_only, one.allow_no_log),
        notation_anchors=anchors,
        notation_subjects=notation.subjects,
        notation_signing_authorities=services,
        notation_timestamp_authorities=stamping,
        notation_require_timestamp=notation.require_timestamp,
        formats=policy.formats,
    )


def _key(key: TrustedKey, contents: _Contents, where: str) -> Key:
    pem = _text(key, key.pem, contents, where)
    if not pem:
        raise ConfigError(f"{where}: pem or file, secretKeyRef or configMapKeyRef: one of them must be there")
    times = (_time(key.not_before, where), _time(key.not_after, where), _time(key.revoked_at, where))
    return Key(pem, key.id, key.hash, key.padding, *times)


def _identity(one: TrustedIdentity, where: str) -> Identity:
    if bool(one.subject) == bool(one.subject_regexp):
        raise ConfigError(f"{where}: exactly one of subject and subjectRegexp")
    if one.subject_regexp and not is_anchored(one.subject_regexp):
        raise ConfigError(f"{where}: subjectRegexp: must begin with ^ and end with $, without | outside of parentheses")
    return Identity(one.issuer, one.subject, one.subject_regexp)


def is_anchored(pattern: str) -> bool:
    """Whether a regular expression matches whole texts only, as far as it can be told from its looks."""
    if not pattern.startswith("^") or not pattern.endswith("$") or _escaped_end(pattern) or _quotes(pattern):
        return False
    depth, in_class, skip = 0, False, False
    for character in pattern:
        if skip:
            skip = False
        elif character == "\\":
            skip = True
        elif in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth < 0:
                return False
        elif character == "|" and depth == 0:
            return False
    return True


def _quotes(pattern: str) -> bool:
    r"""Whether ``\Q`` makes what follows literal, so that parentheses are none."""
    return re.search(r"(?<!\\)(?:\\\\)*\\Q", pattern) is not None


def _escaped_end(pattern: str) -> bool:
    backslashes = re.search(r"(\\*)\$\Z", pattern)
    return backslashes is not None and len(backslashes[1]) % 2 == 1


def _time(text: str, where: str) -> datetime | None:
    if not text:
        return None
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise ConfigError(f"{where}: {text!r} is no time (RFC 3339, such as 2026-01-31T00:00:00Z)") from None


def _content(one: TrustedKey | TrustedRoot | Certificates, text: str, contents: _Contents, where: str) -> bytes:
    try:
        return _found(one, text, contents)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _found(one: TrustedKey | TrustedRoot | Certificates, text: str, contents: _Contents) -> bytes:
    place = place_of(one)
    if sum(map(bool, (text, one.file, place))) > 1:
        raise ConfigError("the content, a file or an object: one of them, not both")
    if place is None:
        return contents.file(one.file) if one.file else text.encode()
    content = contents.place(place)
    if not content.strip():
        # A trusted root that says nothing would be the public-good instance's.
        raise ConfigError(f"{place}: is empty")
    return content


def _certificates(given: Certificates, contents: _Contents, where: str) -> str:
    return _text(given, given.pem, contents, where)


def _text(one: TrustedKey | Certificates, text: str, contents: _Contents, where: str) -> str:
    try:
        return _content(one, text, contents, where).decode("ascii")
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: not PEM: it holds what is not ASCII") from None


def trust_files(settings: Provenance) -> list[str]:
    """The files that the configuration's policies, registries and credentials are read from, for whoever watches them."""
    found = [settings.docker_config]
    for registry in settings.registries:
        found += [registry.ca_file, registry.cert_file, registry.key_file]
    for policy in settings.policies:
        for one in policy.authorities:
            found += [key.file for key in one.keys]
            notation = one.notation
            found += [one.trusted_root.file, notation.file, notation.tsa.file, notation.signing_authority.file]
    return sorted({path for path in found if path})
