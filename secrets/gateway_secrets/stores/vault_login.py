"""How to log in to Vault: for each method of ``spec.provider.vault.auth``, what is sent, made anew for each login."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from gateway.kube.client import SERVICE_ACCOUNT
from gateway_secrets.stores.credentials import Scope
from gateway_secrets.stores.errors import MisconfiguredError
from gateway_secrets.stores.vault_spec import VaultAuth


class Login(msgspec.Struct, frozen=True):
    """``send`` asks a client of hvac and gives Vault's answer; ``hidden`` are the credentials, for no message."""

    send: Callable[[Any], Any]
    hidden: tuple[str, ...]

    def __repr__(self) -> str:
        return "Login()"


async def prepare(auth: VaultAuth, scope: Scope) -> Login:
    """The login of the one method that ``auth`` has (a static token is none: see :func:`is_static`).

    Raises:
        StoreError: the credentials cannot be had, or the method is not known here.
    """
    for name, make in _METHODS.items():
        if getattr(auth, name) is not None:
            return await make(getattr(auth, name), scope)
    raise MisconfiguredError(f"{scope.label}: auth.gcp is not known here yet")


async def _app_role(auth: Any, scope: Scope) -> Login:
    role = await scope.text(auth.role_ref) if auth.role_ref is not None else auth.role_id
    secret = await scope.text(auth.secret_ref)
    return Login(
        lambda client: client.auth.approle.login(role, secret, use_token=False, mount_point=auth.path), (secret,)
    )


async def _kubernetes(auth: Any, scope: Scope) -> Login:
    if auth.service_account_ref is not None:
        token = await scope.token(auth.service_account_ref)
    elif auth.secret_ref is not None:
        token = await scope.text(auth.secret_ref, "token")
    else:
        token = _own_token(SERVICE_ACCOUNT / "token", scope)
    return Login(
        lambda client: client.auth.kubernetes.login(auth.role, token, use_token=False, mount_point=auth.mount_path),
        (token,),
    )


async def _jwt(auth: Any, scope: Scope) -> Login:
    account = auth.kubernetes_service_account_token
    if account is not None:
        token = await scope.token(account.service_account_ref, account.audiences)
    elif auth.secret_ref is not None:
        token = await scope.text(auth.secret_ref)
    else:
        raise MisconfiguredError(f"{scope.label}: auth.jwt needs secretRef or kubernetesServiceAccountToken")
    return Login(lambda client: client.auth.jwt.jwt_login(auth.role, token, use_token=False, path=auth.path), (token,))


async def _cert(auth: Any, _scope: Scope) -> Login:
    named = {"name": auth.vault_role} if auth.vault_role else {}
    path = f"/v1/auth/{auth.path}/login"
    return Login(lambda client: client.adapter.login(path, use_token=False, json=named), ())


async def _user_pass(auth: Any, scope: Scope) -> Login:
    password = await scope.text(auth.secret_ref)
    mount = auth.path or "userpass"
    return Login(
        lambda client: client.auth.userpass.login(auth.username, password, use_token=False, mount_point=mount),
        (password,),
    )


async def _ldap(auth: Any, scope: Scope) -> Login:
    password = await scope.text(auth.secret_ref)
    mount = auth.path or "ldap"
    return Login(
        lambda client: client.auth.ldap.login(auth.username, password, use_token=False, mount_point=mount), (password,)
    )


async def _iam(auth: Any, scope: Scope) -> Login:
    key, secret, session = await _aws_keys(auth, scope)
    return Login(
        lambda client: client.auth.aws.iam_login(
            key, secret, session_token=session or None, header_value=auth.server_id or None, role=auth.vault_role,
            use_token=False, region=auth.region, mount_point=auth.path,
        ),
        (key, secret, session),
    )  # fmt: skip


async def _aws_keys(auth: Any, scope: Scope) -> tuple[str, str, str]:
    keys = auth.secret_ref
    if keys is not None and not auth.role:
        session = await scope.text(keys.session_token) if keys.session_token is not None else ""
        return await scope.text(keys.access_key_id), await scope.text(keys.secret_access_key), session
    try:
        found = await import_module("gateway_secrets.stores.aws_identity").keys_for_vault(auth, scope)
    except ModuleNotFoundError:
        raise MisconfiguredError(
            f"{scope.label}: auth.iam with roles needs what is not installed: pip install 'govgate[aws]'"
        ) from None
    return found.key_id, found.secret, found.session


def _own_token(path: Path, scope: Scope) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        raise MisconfiguredError(
            f"{scope.label}: auth.kubernetes names no serviceAccountRef and no secretRef, and this is no pod"
        ) from None


_METHODS: dict[str, Callable[[Any, Scope], Awaitable[Login]]] = {
    "app_role": _app_role,
    "kubernetes": _kubernetes,
    "ldap": _ldap,
    "jwt": _jwt,
    "cert": _cert,
    "iam": _iam,
    "user_pass": _user_pass,
}
