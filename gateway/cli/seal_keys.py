"""``govgate seal reencrypt``, ``recover`` and ``fetch-cert``: what has to do with the controller's keys."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cyclopts import Parameter

from gateway.ci.inputs import STDIN, Content, contents
from gateway.cli.output import say
from gateway.cli.parameters import InputPath
from gateway.cli.seal_run import CERTIFICATE_VARIABLE, Run, certified, digests_of, in_cluster
from gateway.cli.seal_where import (
    CONTROLLER_NAME,
    CONTROLLER_NAMESPACE,
    Context,
    ControllerName,
    ControllerNamespace,
    Kubeconfig,
    Where,
)
from gateway.core.errors import UsageError
from gateway_secrets.sealed.addresses import controller_url, shown
from gateway_secrets.sealed.certificate import Certificate, now_utc, parse_certificate
from gateway_secrets.sealed.documents import objects, read_documents
from gateway_secrets.sealed.edit import Updated, update
from gateway_secrets.sealed.errors import FileError, InputError
from gateway_secrets.sealed.files import create, read_file, replace
from gateway_secrets.sealed.keys import read_keys, unique
from gateway_secrets.sealed.objects import KIND, Sealed, sealed_of
from gateway_secrets.sealed.render import Format, render
from gateway_secrets.sealed.sealing import Made, Sealing, recovered, unseal_values, with_values
from gateway_secrets.sealed.sealing import reencrypt as seal_again
from gateway_secrets.sealed.targets import Asked

_Keys = Annotated[tuple[Path, ...], Parameter(name=["--key"], negative=())]
_Again = Callable[[Sequence[Sealed]], list[Made]]


def reencrypt(
    *paths: InputPath,
    key: _Keys = (),
    cert: str = "",
    controller: str = "",
    in_place: Annotated[bool, Parameter(name=["--in-place", "-i"], negative=())] = False,
    digest_key: Path | None = None,
    notes: bool = True,
) -> None:
    """Seal SealedSecrets again with another certificate. Scope, template, comments and order stay as they are.

    With --key and --cert this is done here: no cluster is asked. With --controller its /v1/rotate does it.

    Parameters
    ----------
    paths
        Files, folders (with all below them), globs, or - for standard input. Other objects in them are left alone.
    key
        Private keys that open them: PEM, or the controller's key Secrets; repeatable.
    cert
        The certificate to seal with: a PEM file or a URL. Else SEALED_SECRETS_CERT.
    controller
        The address of a controller.
    in_place
        Write the files; else standard output, for one file. All are opened before the first is written.
    digest_key
        The key that tells changed values from unchanged ones; as for govgate seal.
    notes
        Write annotations that say which certificate sealed what.
    """
    if bool(key) == bool(controller):
        raise UsageError("reencrypt needs --key FILE and --cert, or --controller URL")
    if controller and (cert or digest_key):
        raise UsageError("with --controller, its own key and certificate are used: leave --cert and --digest-key away")
    again = _by_controller(controller) if controller else _by_keys(key, cert, digest_key, notes=notes)
    files = _read(paths)
    if len(files) > 1 and not in_place:
        raise UsageError("several files: --in-place writes them")
    made = [(content, *_again(content, again)) for content in files]
    for content, updated, count in made:
        if not in_place or content.path == "standard input":
            sys.stdout.write(updated.text)
            continue
        former = read_file(Path(content.path))
        if former.data != content.data:
            raise FileError(f"{content.path}: was changed by somebody else meanwhile: nothing was written, try again")
        if updated.text.encode() != content.data:
            replace(former, updated.text.encode())
        lost = "; it was written anew: comments in it are lost" if updated.rewritten else ""
        say(f"{content.path}: {count} values sealed again{lost}")


def recover(
    *paths: InputPath,
    key: _Keys = (),
    write: Annotated[Path | None, Parameter(name=["--write", "-w"])] = None,
    output: Annotated[Format, Parameter(name=["--output", "-o"])] = "yaml",
) -> None:
    """Open SealedSecrets with private keys, as after a disaster: prints the Secrets, in plain text.

    Parameters
    ----------
    paths
        Files, folders, globs, or - for standard input. What is no SealedSecret is passed over.
    key
        Private keys: PEM, or the controller's key Secrets (kubectl get secret … -o yaml); repeatable.
    write
        A file for the Secrets, that its owner alone may read; else standard output.
    output
        yaml or json.
    """
    if not key:
        raise UsageError("recover needs --key FILE")
    keys = _private(key)
    texts = []
    for content in _read(paths):
        for sealed in _sealed(content):
            secret, unrendered = recovered(sealed, unseal_values(sealed, keys))
            texts.append(render(secret, output))
            if unrendered:
                say(f"warning: {sealed}: left out {', '.join(unrendered)}: only the controller fills in templates")
    if not texts:
        raise InputError("there is no SealedSecret")
    if write is not None:
        create(write, "".join(texts).encode(), 0o600)
        say(f"{write}: {len(texts)} Secrets, in plain text")
    else:
        sys.stdout.write("".join(texts))


def fetch_cert(
    url: str = "",
    /,
    *,
    controller_name: ControllerName = CONTROLLER_NAME,
    controller_namespace: ControllerNamespace = CONTROLLER_NAMESPACE,
    kubeconfig: Kubeconfig = "",
    context: Context = "",
) -> None:
    """Print the certificate that a controller seals with, to be kept for --cert.

    Parameters
    ----------
    url
        The controller's address, such as http://localhost:8080 behind kubectl port-forward. Without one, the API server
        is asked for it, through its proxy of the controller's Service.
    controller_name
        That Service; else SEALED_SECRETS_CONTROLLER_NAME.
    controller_namespace
        Its namespace; else SEALED_SECRETS_CONTROLLER_NAMESPACE.
    kubeconfig
        The cluster; else as kubectl finds it.
    context
        The kubeconfig's context.
    """
    if not url:
        found = in_cluster(Where(kubeconfig, context, controller_name, controller_namespace))
        sys.stdout.write(found.certificate.pem.decode())
        return
    certificate = asyncio.run(_certificate(url))
    sys.stdout.write(certificate.pem.decode())
    say(f"SHA-256 {certificate.fingerprint}, expires on {certificate.not_after:%Y-%m-%d}")


async def _certificate(url: str) -> Certificate:
    from gateway_secrets.sealed.remote import fetch  # noqa: PLC0415 - slow to import, and seldom needed

    (data,) = await fetch([controller_url(url, "/v1/cert.pem")])
    return parse_certificate(data, source=shown(url))


def _by_keys(paths: Sequence[Path], cert: str, digest_key: Path | None, *, notes: bool) -> _Again:
    chosen = cert or os.environ.get(CERTIFICATE_VARIABLE, "")
    if not chosen:
        raise UsageError("which certificate? --cert FILE_OR_URL")
    run = Run(certified((chosen,), None, ()), Asked(), now_utc())
    run.check(0)
    cluster, keys = run.clusters[0], _private(paths)
    sealing = Sealing(cluster.certificate, run.now, digests=digests_of(digest_key) if notes else None, notes=notes)
    return lambda found: [seal_again(sealed, keys, sealing) for sealed in found]


def _by_controller(url: str) -> _Again:
    return lambda found: asyncio.run(_rotated(url, found)) if found else []


async def _rotated(url: str, found: Sequence[Sealed]) -> list[Made]:
    """The certificate is noted only if it was the same before and after: the controller may renew it in between."""
    from gateway_secrets.sealed.remote import rotate  # noqa: PLC0415 - slow to import, and seldom needed

    before = await _certificate(url)
    answers = await rotate(url, [_without_templates(sealed.document) for sealed in found])
    after = await _certificate(url)
    known = after if before.fingerprint == after.fingerprint else None
    made = []
    for sealed, answer in zip(found, answers, strict=True):
        made.append(with_values(sealed, sealed_of(answer, where=f"what {shown(url)} answered").values, known))
    return made


def _without_templates(document: dict[str, Any]) -> dict[str, Any]:
    """What the controller needs to know. Older ones seal what their templates render too: they get none."""
    spec = dict(document.get("spec") or {})
    spec["template"] = {key: item for key, item in (spec.get("template") or {}).items() if key != "data"}
    return {key: item for key, item in document.items() if key != "status"} | {"spec": spec}


def _again(content: Content, again: _Again) -> tuple[Updated, int]:
    before = [document.value for document in read_documents(content.data, source=content.path)]
    kinds = [value.get("kind") if isinstance(value, dict) else None for value in before]
    if any(isinstance(kind, str) and kind.endswith("List") for kind in kinds):
        raise InputError(f"{content.path}: holds a List: write its objects as documents of their own")
    places = [index for index, kind in enumerate(kinds) if kind == KIND]
    made = again([sealed_of(before[index], where=content.path) for index in places])
    after = list(before)
    for index, one in zip(places, made, strict=True):
        after[index] = one.document
    return update(content.data.decode(), before, after), sum(len(one.sealed) for one in made)


def _sealed(content: Content) -> Iterator[Sealed]:
    """The SealedSecrets in a file, those in Lists included."""
    for document in read_documents(content.data, source=content.path):
        if isinstance(document.value, dict) and isinstance(document.value.get("kind"), str):
            for value in objects(document, source=content.path):
                if value["kind"] == KIND:
                    yield sealed_of(value, where=f"{content.path}:{document.line}")


def _read(paths: Sequence[str]) -> list[Content]:
    """The files that hold a SealedSecret, as far as can be told without reading them as YAML."""
    found = [content for batch in contents(paths or (STDIN,)) for content in batch]
    for content in found:
        if not isinstance(content, Content):
            raise FileError(str(content))
    return [content for content in found if isinstance(content, Content) and b"SealedSecret" in content.data]


def _private(paths: Sequence[Path]) -> list[RSAPrivateKey]:
    return unique(one for path in paths for one in read_keys(read_file(path).data, source=str(path)))
