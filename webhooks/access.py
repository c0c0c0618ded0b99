"""How the judged objects have their artifacts fetched: the credentials and certificates that they name, or that Argo CD
has for them. They are read from the cluster each time that something is looked up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec

from gateway.config.model import Config
from gateway.config.provenance import Provenance
from gateway.core.errors import ConfigError, UndecidedError
from gateway.kube import KubeClient
from gateway.provenance.gate import Reach
from gateway.provenance.oci.credentials import Credential, Keychain
from gateway.provenance.oci.errors import RegistryError
from gateway.provenance.oci.names import Names
from gateway.provenance.oci.reference import Reference
from gateway.provenance.oci.tls import Material, check_material
from webhooks.argo_repositories import ArgoRepositories
from webhooks.pull_secrets import check_count, docker_config
from webhooks.secret_data import Data, read_object, secret_data
from webhooks.sources.fetch import ArgoRepository, Fetch, items, text

_REFUSED = frozenset(("unauthorised", "not-found"))
_CERTIFICATES = "certificate Secret"
_OLD_TLS = (("caFile",), ("certFile",), ("keyFile",))
_TLS = (("ca.crt", "caFile"), ("tls.crt", "certFile"), ("tls.key", "keyFile"))
"""In a Secret for TLS, as Flux reads it, and as it did before; in one with a password it was the old names."""


class Access(msgspec.Struct, frozen=True):
    """How something is reached.

    ``account``: what a ServiceAccount's pull secrets may open. They are read only where the registry refuses: most images
    are open to all, and whoever may not read ServiceAccounts need not for them.
    ``hindrances``: why there may be less than there should, and of which errors (``explain``) that may be the cause.
    """

    reach: Reach = Reach()
    account: Callable[[], Awaitable[Access]] | None = None
    hindrances: tuple[str, ...] = ()
    explain: frozenset[str] = _REFUSED

    async def after(self, error: RegistryError) -> Access:
        """How to ask again.

        Raises:
            UndecidedError: there is no other way; with the reason.
        """
        more = await self.account() if self.account is not None and error.kind in _REFUSED else self
        if more.reach.who == self.reach.who:
            explained = more.hindrances and error.kind in more.explain
            why = f" ({'; '.join(more.hindrances)})" if explained else ""
            raise UndecidedError(f"{error.kind}: {error}{why}") from None
        return more


NO_ACCESS = Access()
_NOT_READ = "what the object names to be let in by is not read: provenance.pullSecrets is false"


class ClusterAccess:
    """Reads what objects name, and Argo CD's repositories, as far as the settings allow."""

    def __init__(self, client: KubeClient, settings: Provenance, argo_namespace: str) -> None:
        self._client = client
        self._names = Names(settings.registries)
        self._named = settings.pull_secrets
        self._argo = ArgoRepositories(client, argo_namespace) if settings.argo_repositories else None

    async def __call__(self, namespace: str, reference: Reference, fetch: Fetch) -> Access:
        """How a reference is fetched. ``namespace`` is that of the object that names Secrets.

        Raises:
            UndecidedError: something that is named cannot be read, or not be used. The text quotes nothing of it.
        """
        if fetch.argo is not None:
            return await self._by_argo(reference, fetch.argo)
        if not self._named:
            named = fetch.secrets or fetch.account or fetch.login or fetch.certificates
            explain = _REFUSED | {"unreachable"} if fetch.certificates else _REFUSED
            return Access(hindrances=(_NOT_READ,), explain=explain) if named else NO_ACCESS
        check_count(fetch.secrets)
        hindrances: list[str] = []
        credential, tls = await self._login(namespace, reference, fetch, hindrances)
        if credential is None:
            credential = await self._first(namespace, fetch.secrets, reference, hindrances)
        if fetch.certificates:
            tls = await self._certificates(namespace, fetch.certificates)
        account = None
        if credential is None and fetch.account:
            account = partial(self._by_account, namespace, reference, fetch.account, tls, hindrances)
        return Access(_reach(credential, tls), account, tuple(hindrances))

    async def _by_argo(self, reference: Reference, wanted: ArgoRepository) -> Access:
        if self._argo is None:
            return Access(hindrances=("Argo CD's repositories are not read: provenance.argoRepositories is false",))
        entry = await self._argo.find(wanted)
        if entry is None:
            return Access(hindrances=("Argo CD has nothing to log in with there",))
        _check(entry.tls, f"Argo CD's repository for {reference.name}")
        return Access(_reach(entry.credential, entry.tls))

    async def _by_account(
        self, namespace: str, reference: Reference, account: str, tls: Material, before: Sequence[str]
    ) -> Access:
        """By what a ServiceAccount has. Nobody named its pull secrets: what is wrong with them is but a hindrance."""
        hindrances = list(before)
        try:
            names = await self._of_account(namespace, account)
            credential = await self._first(namespace, names, reference, hindrances)
        except UndecidedError as error:
            return Access(_reach(None, tls), hindrances=(*hindrances, str(error)))
        return Access(_reach(credential, tls), hindrances=tuple(hindrances))

    async def _login(
        self, namespace: str, reference: Reference, fetch: Fetch, hindrances: list[str]
    ) -> tuple[Credential | None, Material]:
        """What is in a HelmRepository's Secret: a pull secret, or a user's name and password; and, as once, TLS."""
        if not fetch.login:
            return None, Material()
        data = await secret_data(self._client, namespace, fetch.login, what="Secret")
        if data is None:
            hindrances.append(f"there is no Secret {namespace}/{fetch.login}")
            return None, Material()
        tls = _material(data, _OLD_TLS)
        _check(tls, f"Secret {namespace}/{fetch.login}")
        keychain = docker_config(data, f"Secret {namespace}/{fetch.login}")
        if keychain is not None:
            return await self._credential(keychain, reference), tls
        try:
            user, password = (data.get(key, b"").decode() for key in ("username", "password"))
        except UnicodeDecodeError:
            raise UndecidedError(f"Secret {namespace}/{fetch.login}: username or password is no text") from None
        return (Credential(user, password) if user or password else None), tls

    async def _first(
        self, namespace: str, names: Sequence[str], reference: Reference, hindrances: list[str]
    ) -> Credential | None:
        """The first credential for the reference in pull secrets."""
        for name in dict.fromkeys(names):
            found = await self._pull_secret(namespace, name, reference, hindrances)
            if found is not None:
                return found
        return None

    async def _pull_secret(
        self, namespace: str, name: str, reference: Reference, hindrances: list[str]
    ) -> Credential | None:
        data = await secret_data(self._client, namespace, name, what="pull secret")
        if data is None:
            hindrances.append(f"there is no pull secret {namespace}/{name}")
            return None
        keychain = docker_config(data, f"Secret {namespace}/{name}")
        return await self._credential(keychain, reference) if keychain is not None else None

    async def _credential(self, keychain: Keychain, reference: Reference) -> Credential | None:
        for name in self._names.names(reference.registry):
            found = await keychain.find(name, reference.repository)
            if found is not None:
                return found
        return None

    async def _of_account(self, namespace: str, name: str) -> list[str]:
        found = await read_object(self._client, "serviceaccounts", namespace, name, what="ServiceAccount")
        if found is None:
            raise UndecidedError(f"there is no ServiceAccount {namespace}/{name}")
        names = [secret for one in items(found, "imagePullSecrets") if (secret := text(one.get("name")))]
        check_count(names)
        return names

    async def _certificates(self, namespace: str, name: str) -> Material:
        where = f"{_CERTIFICATES} {namespace}/{name}"
        data = await secret_data(self._client, namespace, name, what=_CERTIFICATES)
        if data is None:
            raise UndecidedError(f"there is no {where}")
        found = _material(data)
        if not found:
            raise UndecidedError(f"{where}: has neither ca.crt nor tls.crt with tls.key")
        _check(found, where)
        return found


def access_of(config: Config, client: KubeClient) -> ClusterAccess:
    """As configured."""
    return ClusterAccess(client, config.provenance, config.drift.argo_cd.namespace)


def _reach(credential: Credential | None, tls: Material) -> Reach:
    """``who`` is by what is shown, so that the same credential in another namespace is no other reader."""
    shown = (credential.fingerprint if credential is not None else "", tls.fingerprint if tls else "")
    who = hashlib.sha256("/".join(shown).encode()).hexdigest() if any(shown) else ""
    return Reach(_Held(credential) if credential is not None else None, tls, who)


class _Held:
    """The credential that was looked up for the one registry that is asked."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    async def find(self, registry: str, repository: str) -> Credential | None:  # noqa: ARG002 - the protocol's
        """It."""
        return self._credential


def _material(data: Data, kinds: Sequence[Sequence[str]] = _TLS) -> Material:
    ca, certificate, key = (next((data[name] for name in names if data.get(name)), b"") for names in kinds)
    return Material(ca, certificate, key)


def _check(tls: Material, where: str) -> None:
    try:
        if tls or tls.key:
            check_material(tls)
    except ConfigError as error:
        raise UndecidedError(f"{where}: {error}") from None
