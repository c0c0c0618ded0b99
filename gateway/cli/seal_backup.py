"""``govgate seal backup`` and ``backup-check``: a controller's keys, encrypted in a place of their own, and whether all are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from gateway.cli import exits
from gateway.cli.output import print_document, print_table, say
from gateway.cli.seal_cluster import SECRETS, connected, keys_in
from gateway.cli.seal_places import StoreOptions, place_of
from gateway.cli.seal_run import Run, certified
from gateway.cli.seal_where import Context, Kubeconfig, Where
from gateway.core.errors import ClusterError, UsageError
from gateway_secrets.sealed.backups import (
    BACKED_UP,
    Keys,
    backup,
    holds,
    in_backup,
    is_backed_up_key,
    keys_of,
    note,
    opened,
)
from gateway_secrets.sealed.certificate import Certificate, now_utc
from gateway_secrets.sealed.documents import objects, read_documents
from gateway_secrets.sealed.errors import InputError
from gateway_secrets.sealed.files import read_file
from gateway_secrets.sealed.keys import read_keys, unique
from gateway_secrets.sealed.objects import KIND
from gateway_secrets.sealed.render import render
from gateway_secrets.sealed.sealing import Sealing
from gateway_secrets.sealed.targets import Asked

_MANAGER = "govgate-backup"
_DEFAULT_KEY = "govgate/sealing-keys"

Json = dict[str, Any]
KeyNamespace = Annotated[str, Parameter(name=["--key-namespace", "--controller-namespace"])]
From = Annotated[tuple[Path, ...], Parameter(name=["--from"], negative=())]


def backup_keys(
    *,
    cert: str,
    write: Annotated[Path | None, Parameter(name=["--write", "-w"])] = None,
    store: str = "",
    store_key: str = _DEFAULT_KEY,
    credentials: Path | None = None,
    key_namespace: KeyNamespace = "kube-system",
    from_: From = (),
    record: bool = True,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    config: Path | None = None,
) -> int:
    """Put a controller's keys into a backup, each sealed for a certificate whose private key is kept elsewhere.

    Keys that the backup held and that are no more stay in it. At each key's Secret it is noted when that was done, so that
    backup-check and the controller's metrics can tell which keys are in no backup. Exit code 1 when one could not be read.

    Parameters
    ----------
    cert
        The certificate of the backup: a PEM file or a URL. Not the controller's own: a backup that only the lost keys
        open is none.
    write
        The file of the backup.
    store
        Instead of a file, a store: a name of the configuration, or a SecretStore manifest.
    store_key
        What the backup is called there.
    credentials
        A folder of Secrets that the store's manifest refers to, as for secrets get; else they are read from the
        configured cluster, in the namespace of the keys.
    key_namespace
        Where the keys are.
    from_
        Take the keys from this file (kubectl get secret … -o yaml) instead of the cluster; repeatable.
    record
        Note at the Secrets in the cluster that they were backed up; it takes the right to patch them.
    kubeconfig
        The cluster; else the pod's own, else as kubectl finds it.
    context
        The kubeconfig's context.
    config
        The configuration file, for --store.
    """
    if (write is None) == (not store):
        raise UsageError("where does the backup go? --write FILE, or --store NAME")
    run = Run(certified((cert,), None, ()), Asked(), now_utc())
    run.check(0)
    certificate = run.clusters[0].certificate
    where = Where(kubeconfig, context, namespace=key_namespace)
    secrets = _from_files(from_) if from_ else asyncio.run(_keys_in(where))
    if not secrets:
        raise InputError(f"there is no sealing key in namespace {key_namespace}: --key-namespace says where they are")
    _refuse_own(secrets, certificate)
    place = place_of(write, StoreOptions(store, store_key, key_namespace, credentials, config))
    made = backup(secrets, _sealed(place.read(), place.name), Sealing(certificate, run.now))
    place.write("".join(render(document, "yaml") for document in made.documents).encode())
    say(f"{place.name}: {len(made.held)} keys, and {made.former} that are no more")
    if record and not from_:
        asyncio.run(_record(where, made.held, note(certificate, run.now)))
    for problem in made.problems:
        say(problem)
    return exits.FAILED if made.problems else exits.CLEAN


def check_backup(
    *,
    file: Path | None = None,
    store: str = "",
    store_key: str = _DEFAULT_KEY,
    credentials: Path | None = None,
    key: Annotated[tuple[Path, ...], Parameter(name=["--key"], negative=())] = (),
    max_days: int = 0,
    key_namespace: KeyNamespace = "kube-system",
    from_: From = (),
    kubeconfig: Kubeconfig = "",
    context: Context = "",
    config: Path | None = None,
    output: Annotated[Literal["table", "json", "yaml"], Parameter(name=["--output", "-o"])] = "table",
    fail_on: Literal["deny", "warn"] = "deny",
) -> int:
    """Say when the keys were backed up last, and which are in no backup: exit code 3 if any is not.

    Parameters
    ----------
    file
        The backup: what it says that it holds counts. Without one, what is noted at the keys' Secrets does.
    store
        The same of a backup in a store.
    store_key
        What the backup is called there.
    credentials
        A folder of Secrets that the store's manifest refers to, as for secrets get; else they are read from the
        configured cluster, in the namespace of the keys.
    key
        The backup's private key: what it opens counts, whatever is said; repeatable.
    max_days
        Warn if the last backup is older; 0: however old.
    key_namespace
        Where the keys are.
    from_
        Take the keys from this file instead of the cluster; repeatable.
    kubeconfig
        The cluster; else the pod's own, else as kubectl finds it.
    context
        The kubeconfig's context.
    config
        The configuration file, for --store.
    output
        table for people; json and yaml for programs.
    fail_on
        With warn, exit code 2 if there was a warning.
    """
    if key and file is None and not store:
        raise UsageError("--key opens a backup: --file FILE, or --store NAME")
    where = Where(kubeconfig, context, namespace=key_namespace)
    keys = keys_of(_from_files(from_) if from_ else asyncio.run(_keys_in(where)))
    if file is not None or store:
        place = place_of(file, StoreOptions(store, store_key, key_namespace, credentials, config))
        documents = _sealed(place.read(), place.name)
        private = unique(one for path in key for one in read_keys(read_file(path).data, source=str(path)))
        fingerprints = [opened(one, private) if private else holds(one) for one in documents]
        keys = in_backup(keys, fingerprints, place.time())
    return _told(keys, max_days, output, fail_on)


def _told(keys: Keys, max_days: int, output: Literal["table", "json", "yaml"], fail_on: str) -> int:
    if output == "table":
        rows = [(one.name, one.fingerprint[:16], f"{one.since:%Y-%m-%d}", _shown(one.backed_up)) for one in keys.keys]
        print_table(("KEY", "CERTIFICATE", "SINCE", "IN A BACKUP"), rows)
    else:
        document = {"lastBackup": _stamp(keys.last), "missing": [key.name for key in keys.missing]}
        listed = [
            {
                "name": key.name,
                "certificate": key.fingerprint,
                "since": _stamp(key.since),
                "backedUp": _stamp(key.backed_up),
            }
            for key in keys.keys
        ]
        print_document({**document, "keys": listed, "problems": list(keys.problems)}, output)
    for problem in keys.problems:
        say(problem)
    old = keys.last is not None and max_days > 0 and datetime.now(UTC) - keys.last > timedelta(days=max_days)
    if keys.last is not None and old:
        say(f"warning: the last backup is of {keys.last:%Y-%m-%d}, more than {max_days} days ago")
    if keys.missing:
        names = ", ".join(key.name for key in keys.missing)
        say(f"in no backup: {names}: whoever loses them loses every secret that is in Git only (govgate seal backup)")
        return exits.DENIED
    if keys.problems:
        return exits.FAILED
    if not keys.keys:
        raise InputError("there is no sealing key: --key-namespace says where they are")
    return exits.WARNED if old and fail_on == "warn" else exits.CLEAN


async def _keys_in(where: Where) -> list[Json]:
    async with connected(where) as client:
        return await keys_in(client, where.namespace)


async def _record(where: Where, secrets: Sequence[Json], said: str) -> None:
    """Note it at each Secret: at the one that was read, not at another that has its name meanwhile."""
    async with connected(where) as client:
        for secret in secrets:
            metadata = {key: secret["metadata"][key] for key in ("name", "namespace", "uid")}
            metadata["annotations"] = {BACKED_UP: said}
            path = SECRETS.path("v1", metadata["namespace"], metadata["name"])
            try:
                await client.apply(path, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}, manager=_MANAGER)
            except ClusterError as error:
                raise ClusterError(
                    f"the backup is written, and could not be noted at Secret {metadata['name']}: {error}"
                ) from None


def _from_files(paths: Sequence[Path]) -> list[Json]:
    found = []
    for path in paths:
        for document in read_documents(read_file(path).data, source=str(path)):
            found += [value for value in objects(document, source=str(path)) if is_backed_up_key(value)]
    return found


def _sealed(data: bytes, source: str) -> list[Json]:
    """The SealedSecrets of a backup.

    Raises:
        InputError: it holds something else, which is not to be written over.
    """
    found = [one for document in read_documents(data, source=source) for one in objects(document, source=source)]
    if any(one["kind"] != KIND or not holds(one) for one in found):
        raise InputError(f"{source}: holds something that is no backup of keys: it is left as it is")
    return found


def _refuse_own(secrets: Sequence[Json], certificate: Certificate) -> None:
    if any(key.fingerprint == certificate.fingerprint for key in keys_of(secrets).keys):
        raise UsageError(
            "--cert is the certificate of one of these keys: with them lost, nothing would open the backup"
        )


def _shown(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else "none"


def _stamp(at: datetime | None) -> str | None:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at is not None else None
