"""What ``govgate seal`` does with what it was told: certificates, inputs, outputs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from gateway.cli.output import say
from gateway.cli.seal_where import Where
from gateway.core.errors import UsageError
from gateway_secrets.sealed.certificate import parse_certificate, refuse_expired, warning
from gateway_secrets.sealed.digest import DigestKey
from gateway_secrets.sealed.digest_key import key_path, load_or_make
from gateway_secrets.sealed.errors import FileError
from gateway_secrets.sealed.files import STDIN, Snapshot, create, read_file, read_input, replace
from gateway_secrets.sealed.hybrid import encode, seal
from gateway_secrets.sealed.inputs import Values, read_secrets, read_values
from gateway_secrets.sealed.objects import Secret, check_size
from gateway_secrets.sealed.outputs import Written, grouped, listed, merged, replaced
from gateway_secrets.sealed.registry import Cluster, Entry, entry_of, load, read_registry
from gateway_secrets.sealed.render import Format
from gateway_secrets.sealed.scope import Scope, label_of
from gateway_secrets.sealed.sealing import Sealing
from gateway_secrets.sealed.targets import Asked, Target, targets

CERTIFICATE_VARIABLE = "SEALED_SECRETS_CERT"
"""Of the environment; kubeseal's own."""

Secrets = Sequence[tuple[str, Secret]]


class Run(msgspec.Struct):
    """One run: for which clusters, and how. The methods write; each says on stderr what it did."""

    clusters: list[Cluster]
    asked: Asked
    now: datetime
    output: Format | None = None
    digests: DigestKey | None = None
    renewed: bool = False
    anew: bool = False
    notes: bool = True

    def check(self, days: int) -> bool:
        """Refuse expired certificates, and warn about the others; whether there was a warning."""
        warned = False
        for one in self.clusters:
            refuse_expired(one.certificate, source=one.source, now=self.now, until=one.entry.until)
            soon = warning(one.certificate, source=one.source, now=self.now, days=days, until=one.entry.until)
            for text in filter(None, (soon, one.doubtful)):
                warned = True
                say(f"warning: {text}")
        return warned

    def show(self, secrets: Secrets) -> None:
        """Print the SealedSecrets."""
        for text in listed(targets(secrets, self.clusters, self.asked), self._sealing, self.output or "yaml"):
            sys.stdout.write(text)

    def write(self, secrets: Secrets, pattern: str) -> None:
        """Write them into files. All are made before the first is written."""
        files = grouped(pattern, targets(secrets, self.clusters, self.asked))
        made = []
        for path, those in files.items():
            former = read_file(path) if path.exists() else None
            form: Format = self.output or ("json" if path.suffix == ".json" else "yaml")
            made.append((path, former, replaced(former, those, self._sealing, form)))
        for path, former, written in made:
            put(path, former, written)

    def merge(self, secrets: Secrets, pattern: str) -> None:
        """Put the values into the SealedSecrets that are in files."""
        if len(self.asked.namespaces) > 1:
            raise UsageError("--merge-into takes one --namespace")
        if len(self.clusters) > 1 and "{cluster}" not in pattern:
            raise UsageError("--merge-into with several clusters needs {cluster} in the file's name")
        placed = [(where, _placed(secret, self.asked)) for where, secret in secrets]
        made = []
        for cluster in self.clusters:
            path = Path(pattern.replace("{cluster}", cluster.entry.name))
            former = read_file(path)
            made.append((path, former, merged(former, placed, self._with(cluster), self.asked.scope)))
        for path, former, written in made:
            put(path, former, written)

    def raw(self, value: bytes, write: str) -> None:
        """Seal one value, for each cluster and namespace; with several, each line is headed by its place."""
        scope = self.asked.scope or Scope.STRICT
        names = self.asked.namespaces if scope is not Scope.CLUSTER_WIDE else ("",)
        if not names:
            raise UsageError(f"--raw with scope {scope} needs --namespace")
        if scope is Scope.STRICT and not self.asked.name:
            raise UsageError(f"--raw with scope {scope} needs --name")
        if write:
            raise UsageError("--raw prints the value: leave --write away")
        check_size({"": value}, where="the value")
        found = {
            "/".join(filter(None, (cluster.entry.name, namespace))): encode(
                seal(cluster.certificate.public_key, value, label_of(scope, namespace, self.asked.name))
            )
            for cluster in self.clusters
            for namespace in names
        }
        if self.output == "json":
            print(msgspec.json.encode(found).decode())
        elif len(found) == 1:
            print(*found.values())
        else:
            for place, text in found.items():
                print(f"{place}: {text}")

    def _sealing(self, target: Target) -> Sealing:
        return self._with(target.cluster)

    def _with(self, cluster: Cluster) -> Sealing:
        return Sealing(
            cluster.certificate, self.now, cluster.entry.until, self.digests, self.renewed, self.anew, self.notes
        )


def certified(
    certificates: Sequence[str], registry: Path | None, names: Sequence[str], where: Where | None = None
) -> list[Cluster]:
    """The clusters to seal for, with their certificates. ``where``: whose is asked for if none is named."""
    if registry is not None:
        if certificates:
            raise UsageError("either --cert or --clusters")
        return asyncio.run(load(read_registry(registry, names)))
    if names:
        raise UsageError("--cluster picks from a registry: --clusters FILE")
    default = os.environ.get(CERTIFICATE_VARIABLE)
    chosen = certificates or ((default,) if default else ())
    if not chosen and where is not None and where.may_be_found():
        return [in_cluster(where)]
    if not chosen:
        raise UsageError("which certificate? --cert FILE_OR_URL, --clusters FILE, or a kubeconfig of its cluster")
    entries = [entry_of(name) for name in chosen]
    if len({entry.name for entry in entries}) < len(entries):
        raise UsageError("two certificates have the same name: give the clusters names in a registry (--clusters)")
    return asyncio.run(load(entries))


def in_cluster(where: Where) -> Cluster:
    """The cluster that the kubeconfig leads to, with its controller's certificate; says which one that is."""
    from gateway.cli.seal_cluster import certificate_of  # noqa: PLC0415 - slow to import, and seldom needed

    source = f"Service {where.namespace}/{where.name}"
    certificate = parse_certificate(asyncio.run(certificate_of(where)), source=source)
    say(f"{source}: certificate {certificate.fingerprint}, expires on {certificate.not_after:%Y-%m-%d}")
    return Cluster(Entry(where.context or "cluster", ""), certificate, source)


def given(values: Values, files: Sequence[str], asked: Asked) -> Secrets:
    """The Secrets to be sealed."""
    if values:
        if files:
            raise UsageError("either files of Secrets, or --from-literal, --from-file, --from-env-file")
        return [("the values", Secret(asked.name, "", read_values(values)))]
    if not files and sys.stdin.isatty():
        say("reading a Secret from standard input")
    return [found for name in files or (STDIN,) for found in read_secrets(name)]


def one_value(values: Values, files: Sequence[str]) -> bytes:
    """The value that ``--raw`` seals."""
    if not values:
        if len(files) > 1:
            raise UsageError("--raw seals one value")
        return read_input(files[0] if files else STDIN)
    if files:
        raise UsageError("--raw seals one value")
    if values.files == (STDIN,) and not values.literals and not values.env_files:
        return read_input(STDIN)
    found = read_values(values)
    if len(found) != 1:
        raise UsageError("--raw seals one value")
    return next(iter(found.values()))


def digests_of(path: Path | None) -> DigestKey | None:
    """The digest key; without one, which is said, every value is sealed anew each time."""
    chosen = path or key_path(os.environ)
    try:
        key, made = load_or_make(chosen)
    except FileError as error:
        if path is not None or chosen.exists():
            raise
        say(f"warning: {error}: unchanged values will not be recognised")
        return None
    if made:
        say(f"made {chosen}, by which unchanged values are recognised: keep it, and keep it out of Git")
    return key


def put(path: Path, former: Snapshot | None, written: Written) -> None:
    """Write a file if its content is another, and say so."""
    data = written.text.encode()
    if former is None:
        create(path, data)
    elif data != former.data:
        replace(former, data)
    lost = "; it was written anew: comments in it are lost" if written.rewritten else ""
    say(f"{path}: {written.sealed} values sealed, {written.kept} unchanged{lost}")


def _placed(secret: Secret, asked: Asked) -> Secret:
    if asked.namespaces and secret.namespace not in {"", asked.namespaces[0]}:
        raise UsageError(f"the Secret is for namespace {secret.namespace}, not {asked.namespaces[0]}")
    return msgspec.structs.replace(
        secret, name=asked.name or secret.name, namespace=secret.namespace or "".join(asked.namespaces)
    )
