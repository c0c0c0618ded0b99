"""``spec.provider.aws`` (external-secrets.io/v1, ``secretstore_aws_types.go``), and what it says of requests. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from gateway_secrets.stores.errors import MisconfiguredError
from gateway_secrets.stores.manifest import Selector, ServiceAccount, typed

ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
AUDIENCE_ANNOTATION = "eks.amazonaws.com/audience"
DEFAULT_AUDIENCE = "sts.amazonaws.com"
_UUID_PREFIX = "uuid/"


class _Part(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class Keys(_Part, frozen=True):
    """Keys in Secrets: static ones, or temporary ones with their session token."""

    access_key_id: Selector = msgspec.field(name="accessKeyIDSecretRef")
    secret_access_key: Selector = msgspec.field(name="secretAccessKeySecretRef")
    session_token: Selector | None = msgspec.field(name="sessionTokenSecretRef", default=None)


class Jwt(_Part, frozen=True):
    """The role in the annotation of a service account, assumed with a token of it (IRSA)."""

    service_account_ref: ServiceAccount


class Auth(_Part, frozen=True):
    """One of them; without any, the identity that govgate itself has."""

    secret_ref: Keys | None = None
    jwt: Jwt | None = None


class Tag(_Part, frozen=True):
    """A tag of a session."""

    key: str
    value: str


class Deletion(_Part, frozen=True):
    """How Secrets Manager deletes."""

    force_delete_without_recovery: bool = False
    recovery_window_in_days: int = 0


class AwsSpec(_Part, frozen=True):
    """``prefix`` is put before every key."""

    service: Literal["SecretsManager", "ParameterStore"]
    region: str
    auth: Auth = Auth()
    role: str = ""
    additional_roles: tuple[str, ...] = ()
    external_id: str = msgspec.field(name="externalID", default="")
    session_tags: tuple[Tag, ...] = ()
    transitive_tag_keys: tuple[str, ...] = ()
    session_tags_policy: Literal["None", "Simple", "Custom"] = "None"
    custom_session_tags: Mapping[str, str] = {}
    secrets_manager: Deletion = Deletion()
    prefix: str = ""


def parse_spec(document: Any, *, where: str) -> AwsSpec:
    """``spec.provider.aws``, checked.

    Raises:
        MisconfiguredError: it is wrong; names ``where`` and the field.
    """
    spec = typed(document, AwsSpec, where=where)
    if spec.auth.secret_ref is not None and spec.auth.jwt is not None:
        raise MisconfiguredError(f"{where}: auth: secretRef or jwt, not both")
    if not spec.region:
        raise MisconfiguredError(f"{where}: region is empty")
    deletion = spec.secrets_manager
    window = deletion.recovery_window_in_days
    if window and (deletion.force_delete_without_recovery or not 7 <= window <= 30):  # noqa: PLR2004 - AWS's own bounds
        raise MisconfiguredError(
            f"{where}: secretsManager: recoveryWindowInDays is 7 to 30, and not with forceDeleteWithoutRecovery"
        )
    return spec


def role_chain(spec: AwsSpec, *, namespace: str, store: str, kind: str) -> list[dict[str, Any]]:
    """The parameters of each AssumeRole, in order. External id and tags are of the last, ``role``, alone."""
    chain: list[dict[str, Any]] = [{"RoleArn": role} for role in spec.additional_roles]
    if not spec.role:
        return chain
    last: dict[str, Any] = {"RoleArn": spec.role}
    if spec.external_id:
        last["ExternalId"] = spec.external_id
    tags = {tag.key: tag.value for tag in spec.session_tags}
    if spec.session_tags_policy != "None":
        custom = spec.custom_session_tags if spec.session_tags_policy == "Custom" else {}
        # What says who asks comes last: no tag of the manifest passes for it.
        tags |= {**custom, "esoNamespace": namespace, "esoStoreName": store, "esoStoreKind": kind}
    if tags:
        last["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        if spec.transitive_tag_keys:
            last["TransitiveTagKeys"] = list(spec.transitive_tag_keys)
    return [*chain, last]


def version_of(version: str) -> dict[str, str]:
    """Which version Secrets Manager is asked for: ``uuid/ID``, or a staging label."""
    if version.startswith(_UUID_PREFIX):
        return {"VersionId": version.removeprefix(_UUID_PREFIX)}
    return {"VersionStage": version or "AWSCURRENT"}
