"""Who asks AWS: keys for all who read a store, obtained once, and anew before they end or when they are refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway_secrets.stores.aws_client import AwsClient, Keys, StaleKeysError, keys_of, new_session, own_keys
from gateway_secrets.stores.aws_spec import (
    AUDIENCE_ANNOTATION,
    DEFAULT_AUDIENCE,
    ROLE_ANNOTATION,
    Auth,
    AwsSpec,
    role_chain,
)
from gateway_secrets.stores.credentials import Scope
from gateway_secrets.stores.errors import ForbiddenError, MisconfiguredError
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.renewed import Renewed
from gateway_secrets.stores.vault_spec import IamAuth

_T = TypeVar("_T")
_SESSION = "govgate"


async def keys_for_vault(auth: IamAuth, scope: Scope) -> Keys:
    """The keys that a login to Vault by AWS IAM is signed with.

    Raises:
        StoreError: they cannot be had.
    """
    spec = AwsSpec(
        "SecretsManager", auth.region, Auth(auth.secret_ref, auth.jwt), auth.role, external_id=auth.external_id
    )
    identity = AwsIdentity("sts", spec, scope, StoreLimits())
    try:
        return await identity.keys()
    finally:
        await identity.close()


class AwsIdentity:
    """See the module. Gives a client of one service, as who the store is."""

    def __init__(self, service: str, spec: AwsSpec, scope: Scope, limits: StoreLimits) -> None:
        self._service = service
        self._spec = spec
        self._scope = scope
        self._limits = limits
        self._threads = scope.threads.of_store(limits.connections, f"AWS {spec.region}")
        self._session = new_session()
        self.held = Renewed(self._login, discard=AwsClient.close, told=scope.logged_in)

    async def ask(self, ask: Callable[[AwsClient], Awaitable[_T]]) -> _T:
        """What ``ask`` makes of the client; once more with new keys if the present ones are not good.

        Raises:
            StoreError: what ``ask`` raised, or why there are no keys.
        """
        client = await self.held.get()
        try:
            return await ask(client)
        except ForbiddenError as error:
            if not await self._may_do_better(client, stale=isinstance(error, StaleKeysError)):
                raise
        return await ask(await self.held.get())

    async def close(self) -> None:
        """Close connections; calls in progress come to their end, or fail."""
        self._threads.close()
        self.held.drop(self.held.present)

    async def _may_do_better(self, client: AwsClient, *, stale: bool) -> bool:
        """After a refusal: whether it was the keys' fault, and there are others.

        Keys in a Secret are compared, which costs nothing of AWS; a role is assumed again only if its keys are stale.
        """
        if self._spec.auth.secret_ref is not None and not self._chain():
            stale = await self._first() != client.keys
        if stale:
            self.held.drop(client)
        return stale or self.held.present is not client

    async def keys(self) -> Keys:
        """New keys, at the end of the chain of roles.

        Raises:
            StoreError: they cannot be had.
        """
        keys = await self._first()
        for role in self._chain():
            what = f"assuming the role {role['RoleArn']}"
            keys = keys_of(await self._once("assume_role", keys, what, RoleSessionName=_SESSION, **role))
        return keys

    async def _login(self) -> tuple[AwsClient, float | None]:
        keys = await self.keys()
        return await self._made(self._service, keys), keys.ends

    async def _first(self) -> Keys:
        auth, scope = self._spec.auth, self._scope
        if auth.secret_ref is not None:
            given = auth.secret_ref
            session = await scope.text(given.session_token) if given.session_token is not None else ""
            keys = Keys(await scope.text(given.access_key_id), await scope.text(given.secret_access_key), session)
            if not all(part.isascii() and part.isprintable() for part in keys.hidden):
                raise MisconfiguredError(f"{scope.label}: auth.secretRef: what is there is no key of AWS")
            return keys
        if auth.jwt is not None:
            return await self._by_service_account()
        if not scope.cluster_wide:
            raise MisconfiguredError(
                f"{scope.label}: auth is not set; a SecretStore needs credentials of its own, and only a "
                "ClusterSecretStore reads as govgate itself"
            )
        return await own_keys(self._threads)

    async def _by_service_account(self) -> Keys:
        account = self._spec.auth.jwt.service_account_ref  # type: ignore[union-attr] # asked for if there is one
        annotations = await self._scope.annotations(account)
        role = annotations.get(ROLE_ANNOTATION, "")
        if not role:
            raise MisconfiguredError(
                f"{self._scope.label}: service account {account.name} has no annotation {ROLE_ANNOTATION}"
            )
        token = await self._scope.token(account, (annotations.get(AUDIENCE_ANNOTATION) or DEFAULT_AUDIENCE,))
        answer = await self._once(
            "assume_role_with_web_identity", None, f"assuming the role {role} as service account {account.name}",
            RoleArn=role, RoleSessionName=_SESSION, WebIdentityToken=token,
        )  # fmt: skip
        return keys_of(answer)

    async def _once(self, operation: str, keys: Keys | None, what: str, **parameters: object) -> dict[str, object]:
        client = await self._made("sts", keys)
        try:
            token = parameters.get("WebIdentityToken")
            return await client.call(operation, what=what, hidden=(str(token),) if token else (), **parameters)
        finally:
            client.close()

    async def _made(self, service: str, keys: Keys | None) -> AwsClient:
        def make() -> AwsClient:
            return AwsClient(
                self._session, service, self._spec.region, keys, limits=self._limits, threads=self._threads
            )

        return await self._threads.run(make)

    def _chain(self) -> list[dict[str, object]]:
        scope = self._scope
        return role_chain(self._spec, namespace=scope.namespace, store=scope.name, kind=scope.kind)
