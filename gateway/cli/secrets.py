"""``govgate secrets``: one value out of a store, or into the embedded one. Metadata is printed; the value when asked."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from gateway.audit.state import replace_file
from gateway.cli.output import print_document, print_table
from gateway.cli.secrets_stores import Journal, opened, store_manifest
from gateway.config import load_config
from gateway.core.errors import GovgateError, UsageError
from gateway_secrets.stores.errors import StoreError
from gateway_secrets.stores.file import FileSpec, file_store
from gateway_secrets.stores.manifest import typed
from gateway_secrets.stores.model import Decoding, Reference

secrets_app = App(
    name="secrets",
    help="Secrets in stores: get one by its reference, put one into the embedded store, see who uses which.",
)

secrets_app.command(
    "gateway.cli.secrets_graph:graph", name="graph", help="Which path reaches which Secret and workload."
)

MAX_VALUE_BYTES = 1024 * 1024

Store = Annotated[
    str, Parameter(help="A file with a SecretStore, or a name in the configuration; else the embedded store.")
]
View = Annotated[Literal["table", "json", "yaml"], Parameter(alias="-o", help="The format of what is printed.")]
Config = Annotated[Path | None, Parameter(help="The configuration file; else GOVGATE_CONFIG names it.")]
StateDir = Annotated[Path | None, Parameter(help="The audit log's folder; else as configured.")]


class _Read(msgspec.Struct):
    """What is told of a secret that was read."""

    provider: str
    store: str
    key: str
    property: str
    version: str
    created: str
    bytes: int


@secrets_app.command
def get(  # noqa: D417 - the other options say themselves what they are
    ref: str = "",
    *,
    store: Store = "",
    key: str = "",
    property_: Annotated[str, Parameter(name="--property")] = "",
    version: Annotated[str, Parameter(name="--version")] = "",
    decode: Decoding = "None",
    reveal: bool = False,
    out: Path | None = None,
    namespace: str = "default",
    credentials: Path | None = None,
    output: View = "table",
    state_dir: StateDir = None,
    config: Config = None,
) -> None:
    """Read one secret through a store, and tell what it is: its value only with --reveal, or into a file.

    Parameters
    ----------
    ref
        KEY, KEY#PROPERTY, KEY@VERSION or KEY#PROPERTY@VERSION; or else --key, for keys that hold # or @.
    property_
        A literal key of what is stored, else a path in it (gjson).
    decode
        What the value is encoded with.
    reveal
        Print the value, and nothing else, on standard output.
    out
        A file for the value, which appears when it is whole, readable by its owner alone.
    namespace
        On whose behalf a ClusterSecretStore is asked.
    credentials
        A folder [NAMESPACE/]NAME/KEY with the Secrets that the store refers to, instead of a cluster's.
    """
    if bool(ref) == bool(key):
        raise UsageError("name one secret: KEY[#PROPERTY][@VERSION], or --key KEY")
    if reveal and out is not None:
        raise UsageError("--reveal prints the value, --out writes it: choose one")
    reference = parse_reference(ref) if ref else Reference(key)
    reference = msgspec.structs.replace(
        reference,
        property=property_ or reference.property,
        version=version or reference.version,
        decoding_strategy=decode,
    )
    loaded = load_config(config)
    manifest = store_manifest(store, loaded)
    journal = Journal(loaded.config.audit, state_dir, store=store or "embedded", reference=reference)

    async def read() -> _Read:
        async with opened(manifest, loaded.config, namespace=namespace, folder=credentials) as reader:
            try:
                secret = await reader.get(reference)
            except StoreError as error:
                await asyncio.to_thread(journal.failed, reader.provider, error)
                raise
        # On record before it is given out: what cannot be recorded is not read.
        shown = "stdout" if reveal else "file" if out is not None else "nothing"
        await asyncio.to_thread(journal.read, reader.provider, secret.version, shown)
        if reveal:
            _print_value(secret.value)
        elif out is not None:
            replace_file(out, secret.value)
        told = (reference.key, reference.property, secret.version, secret.created, len(secret.value))
        return _Read(reader.provider, journal.store, *told)

    told = msgspec.to_builtins(asyncio.run(read()))
    if reveal:
        return
    if output == "table":
        print_table(("FIELD", "VALUE"), [(name, str(value)) for name, value in told.items()])
    else:
        print_document(told, output)


@secrets_app.command
def put(  # noqa: D417 - the other options say themselves what they are
    key: str,
    *,
    from_file: Path | None = None,
    store: Store = "",
    tag: tuple[str, ...] = (),
    state_dir: StateDir = None,
    config: Config = None,
) -> None:
    """Store a new version of a secret in an embedded store; the value comes from standard input, never as an argument.

    Parameters
    ----------
    key
        What it is called, such as team-a/database.
    from_file
        The file that holds the value; else it is read from standard input. Either way it is stored as it is.
    tag
        NAME=VALUE, to find it by; repeatable. Without any, those of the last version stay.
    """
    tags = dict(_tag(text) for text in tag)
    loaded = load_config(config)
    manifest = store_manifest(store, loaded)
    if list(manifest.spec.provider) != ["file"]:
        raise UsageError("secrets put writes embedded stores (spec.provider.file) only")
    spec = typed(manifest.spec.provider["file"], FileSpec, where=f"{manifest.label}: spec.provider.file")
    value = _value(from_file)
    journal = Journal(loaded.config.audit, state_dir, store=store or "embedded", reference=Reference(key))
    number = file_store(spec).put(key, value, tags=tags or None)
    journal.written("file", str(number))
    sys.stderr.write(f"stored {key}, version {number}\n")


def parse_reference(text: str) -> Reference:
    """``KEY[#PROPERTY][@VERSION]``: the first ``#`` and the last ``@`` divide.

    Raises:
        UsageError: there is no key.
    """
    rest, at, version = text.rpartition("@")
    if not at:
        rest, version = text, ""
    key, _, name = rest.partition("#")
    if not key:
        raise UsageError(f"{text!r} names no key: KEY[#PROPERTY][@VERSION]")
    return Reference(key, name, version)


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError("--tag takes NAME=VALUE")
    return name, value


def _value(file: Path | None) -> bytes:
    """What is to be stored, read where no process list and no shell history shows it."""
    if file is not None:
        with file.open("rb") as opened_file:
            value = opened_file.read(MAX_VALUE_BYTES + 1)
    else:
        if sys.stdin.isatty():
            sys.stderr.write("the value, then Ctrl-D (it is shown as it is typed; --from-file reads a file):\n")
        value = sys.stdin.buffer.read(MAX_VALUE_BYTES + 1)
    if len(value) > MAX_VALUE_BYTES:
        raise GovgateError(f"the value is larger than {MAX_VALUE_BYTES} bytes")
    return value


def _print_value(value: bytes) -> None:
    """The value as it is; to a terminal, text only, and a line's end."""
    if sys.stdout.isatty():
        text = value.decode(errors="replace")
        if not text.translate({9: None, 10: None, 13: None}).isprintable() or "\ufffd" in text:
            raise GovgateError("the value is not text that a terminal should be sent: use --out FILE")
        value = value.removesuffix(b"\n") + b"\n"
    sys.stdout.buffer.write(value)
    sys.stdout.buffer.flush()
