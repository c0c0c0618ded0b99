"""Secrets in plain text: where they are not to be, who may write them all the same, and what is none.

Who writes is told by the user that the API server names, never by what the object says of itself. An owner can be
asked for beside that, not instead: an ownerReference is anybody's to write.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from gateway.config.secrets import Demand, Most, SecretWriter
from gateway.core.errors import UndecidedError
from gateway.core.subject import Json, UserInfo
from gateway_secrets.admission.reading import controller, group_of, section, text, texts
from gateway_secrets.detect.structure import Sealing, sealing
from gateway_secrets.detect.values import refers

_KUBE = "system:serviceaccount:kube-system:"
_CERT_MANAGER = "system:serviceaccount:cert-manager:"

BUILT_IN: tuple[SecretWriter, ...] = (
    SecretWriter(
        name="kubernetes",  # tokens of service accounts
        users=("system:apiserver", "system:kube-controller-manager", f"{_KUBE}tokens-controller"),
    ),
    SecretWriter(
        name="sealed-secrets",  # as its manifest names it, and its chart
        users=(f"{_KUBE}sealed-secrets-controller", f"{_KUBE}sealed-secrets"),
    ),
    SecretWriter(name="external-secrets", users=("system:serviceaccount:external-secrets:external-secrets",)),
    SecretWriter(
        name="cert-manager",
        users=(f"{_CERT_MANAGER}cert-manager", f"{_CERT_MANAGER}cert-manager-webhook"),
    ),
)
"""Those that make Secrets of what lies elsewhere, or out of nothing: by the accounts of their upstream installs."""

BOOTSTRAP_TYPE, BOOTSTRAP_NAMESPACE = "bootstrap.kubernetes.io/token", "kube-system"
HELM_TYPE, HELM_NAME, HELM_KEY = "helm.sh/release.v1", "sh.helm.release.v1.", "release"
_GZIP = b"\x1f\x8b"
_NAMED = 5


def demanded(demands: Sequence[Demand], secret: Json, namespace: str, labels: Mapping[str, str] | None) -> Most:
    """What is done with a plain Secret there; ``off`` where nothing is demanded.

    Args:
        demands: in their order; the first that matches holds.
        secret: the object.
        namespace: where it is; empty if a file does not say.
        labels: of its Namespace; None if they are not known.

    Raises:
        UndecidedError: it depends on what is not known.
    """
    own = texts(section(secret, "metadata"), "labels")
    for demand in demands:
        if not _match(demand.labels, own):
            continue
        if not namespace and "*" not in demand.namespaces:
            raise UndecidedError("it is not known in which namespace the Secret is to be")
        if not any(fnmatchcase(namespace, pattern) for pattern in demand.namespaces):
            continue
        if demand.namespace_labels and labels is None:
            raise UndecidedError(f"the labels of Namespace {namespace} are not known")
        if _match(demand.namespace_labels, labels or {}):
            return demand.action
    return "off"


def may_write(writers: Sequence[SecretWriter], user: UserInfo, secret: Json, namespace: str) -> str:
    """The name of a writer that this user is, for such a Secret; empty if it is none."""
    return next((one.name for one in writers if _is(one, user, secret, namespace)), "")


def plain_keys(secret: Json, namespace: str, *, helm_releases: bool) -> list[str]:
    """The keys of values in plain text. None of a Secret that Helm or the cluster's bootstrap keeps.

    Values that are encrypted, and stand-ins that something else fills in, are none.
    """
    kind = text(secret.get("type"))
    if kind == BOOTSTRAP_TYPE and namespace == BOOTSTRAP_NAMESPACE:
        return []
    if helm_releases and kind == HELM_TYPE and _is_release(secret):
        return []
    return sorted({key for key, value in _values(secret) if value and not _is_covered(value)})


def changed_keys(secret: Json, before: Json, keys: Sequence[str]) -> list[str]:
    """Those of the keys whose values are others than they were."""
    old, new = dict(_values(before)), dict(_values(secret))
    return [key for key in keys if old.get(key) != new.get(key)]


def named(keys: Sequence[str]) -> str:
    """Keys, for a sentence."""
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return ", ".join(keys[:_NAMED]) + more


def _is(writer: SecretWriter, user: UserInfo, secret: Json, namespace: str) -> bool:
    if user.username not in writer.users and set(writer.groups).isdisjoint(user.groups):
        return False
    kind = text(secret.get("type")) or "Opaque"
    if not any(fnmatchcase(namespace, pattern) for pattern in writer.namespaces):
        return False
    if not any(fnmatchcase(kind, pattern) for pattern in writer.types):
        return False
    return not writer.owners or _owned_by(writer.owners, controller(secret))


def _owned_by(kinds: Sequence[str], owner: Json) -> bool:
    name, group = text(owner.get("kind")), group_of(owner.get("apiVersion"))
    return bool(name) and (f"{name}.{group}" if group else name) in kinds


def _match(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(key in labels and fnmatchcase(labels[key], pattern) for key, pattern in wanted.items())


def _values(secret: Json) -> Iterator[tuple[str, bytes]]:
    """The values by key; what is no base64 counts as it stands: in a file it is not checked yet."""
    for key, value in section(secret, "data").items():
        raw = text(value)
        try:
            yield key, base64.b64decode("".join(raw.split()), validate=True)
        except (binascii.Error, ValueError):
            yield key, raw.encode()
    for key, value in section(secret, "stringData").items():
        yield key, (value if isinstance(value, str) else str(value)).encode() if value is not None else b""


def _is_covered(value: bytes) -> bool:
    words = value.decode(errors="replace")
    return sealing(words) is Sealing.REAL or refers(words)


def _is_release(secret: Json) -> bool:
    """Whether it is built as Helm's: one key, and in it base64 of gzip. What a chart was given is in there all the same."""
    found = dict(_values(secret))
    if set(found) != {HELM_KEY} or not text(section(secret, "metadata").get("name")).startswith(HELM_NAME):
        return False
    try:
        return base64.b64decode(found[HELM_KEY], validate=True).startswith(_GZIP)
    except (binascii.Error, ValueError):
        return False
