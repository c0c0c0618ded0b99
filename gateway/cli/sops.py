"""``govgate sops``: SOPS files encrypted, decrypted, edited and rotated by sops itself; trees checked in process."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import cyclopts
from cyclopts import Parameter

from gateway.ci.inputs import Content
from gateway.ci.report import Format
from gateway.cli import exits
from gateway.cli.check import finish
from gateway.cli.output import say
from gateway.cli.parameters import InputPath
from gateway.core.errors import UsageError
from gateway_secrets.sealed.errors import FileError
from gateway_secrets.sealed.files import create, read_file, replace
from gateway_secrets.sops import program
from gateway_secrets.sops.documents import format_of
from gateway_secrets.sops.errors import ProgramError, SopsError

if TYPE_CHECKING:
    from gateway.ci.sops_files import Stale
    from gateway_secrets.sops.sides import Keys

sops_app = cyclopts.App(
    name="sops",
    help="SOPS files: encrypt, decrypt, edit, rotate, verify, lint, updatekeys, merge.",
    help_format="plaintext",
)

Files = tuple[InputPath, ...]


@sops_app.command
def encrypt(
    *files: InputPath,
    in_place: Annotated[bool, Parameter(name=["--in-place", "-i"], negative=())] = False,
    age: Annotated[tuple[str, ...], Parameter(name=["--age"], negative=())] = (),
    sops_config: str = "",
) -> int:
    """Encrypt files, for whom .sops.yaml says, or --age.

    Parameters
    ----------
    files
        The files in plain text.
    in_place
        Put what is encrypted in the place of each file; else the one file goes to standard output.
    age
        A recipient; repeatable.
    sops_config
        The configuration of sops; else it looks for .sops.yaml in the working folder and above.
    """
    options = ["--age", ",".join(age)] if age else []
    return _made("encrypt", files, options, in_place=in_place, config=sops_config)


@sops_app.command
def rotate(
    *files: InputPath, in_place: Annotated[bool, Parameter(name=["--in-place", "-i"], negative=())] = False
) -> int:
    """Encrypt files anew, with a new data key.

    Parameters
    ----------
    files
        SOPS files.
    in_place
        Put the new one in the place of each file; else the one file goes to standard output.
    """
    return _made("rotate", files, [], in_place=in_place)


@sops_app.command
def decrypt(
    file: InputPath,
    *,
    extract: str = "",
    write: Annotated[Path | None, Parameter(name=["--write", "-w"])] = None,
) -> int:
    """Decrypt one file: plain text goes to standard output, or into a file that only its owner can read.

    Parameters
    ----------
    file
        A SOPS file.
    extract
        One value, as sops writes it: ["db"]["password"].
    write
        The file to write; it must not be there yet.
    """
    options = ["--extract", extract] if extract else []
    data = program.run(["decrypt", *options, "--", _named(file)])
    if write is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return exits.CLEAN
    if write.exists():
        raise UsageError(f"{write}: is there already")
    create(write, data, 0o600)
    return exits.CLEAN


@sops_app.command
def edit(file: InputPath) -> int:
    """Edit a file with EDITOR: sops decrypts it, and encrypts what you save.

    Parameters
    ----------
    file
        A SOPS file.
    """
    program.edit(_named(file))
    return exits.CLEAN


@sops_app.command
def verify(
    *paths: InputPath,
    output: Annotated[Format, Parameter(name=["--output", "-o"])] = "table",
    fail_on: Literal["deny", "warn"] = "deny",
) -> int:
    """Open every SOPS file in files and folders, and check its MAC: in process for age, else by sops.

    Nothing that is decrypted is shown. Exit code 3 when a file is not what was encrypted, or can not be opened.

    Parameters
    ----------
    paths
        Files and folders.
    output
        table for people; json and yaml for programs; sarif, junit, github, gitlab, markdown for what shows findings.
    fail_on
        What makes the command fail.
    """
    from gateway.ci.sops_files import verify as verified  # noqa: PLC0415 - the rest needs no reader
    from gateway_secrets.sops.identities import find_identities  # noqa: PLC0415 - the same

    if not paths:
        raise UsageError("name at least one file or folder")
    return finish(verified(paths, find_identities(), _by_program), output, fail_on)


@sops_app.command
def merge(
    base: Path,
    ours: Path,
    theirs: Path,
    path: str = "",
) -> int:
    """Merge two SOPS files key by key, as a merge driver of Git: the result takes the place of OURS, with a new MAC.

    Set up by: git config merge.govgate-sops.driver "govgate sops merge %O %A %B %P", and in .gitattributes:
    *.sops.yaml merge=govgate-sops. Where both sides changed a value, both stand in the file, encrypted, between markers,
    and the exit code is 1: choose, then run govgate sops settle.

    Parameters
    ----------
    base
        What both come from (%O); an empty file if there is none.
    ours
        Our file (%A).
    theirs
        Their file (%B).
    path
        What the file is called (%P), which tells its format; else OURS.
    """
    from gateway_secrets.sops.merging import merge_files  # noqa: PLC0415 - the rest needs no reader

    shown = path or str(ours)
    origin, former, other = (read_file(name) for name in (base, ours, theirs))
    try:
        merged = merge_files(origin.data, former.data, other.data, _keys(), _now(), format_of(shown))
    except SopsError as error:
        raise SopsError(f"{shown}: not merged: {error}") from None
    if merged.data != former.data:
        replace(former, merged.data)
    for conflict in merged.conflicts:
        say(f"{shown}: {conflict}: both sides changed it")
    if merged.conflicts:
        say(f"choose a side at each, take the markers out, then: govgate sops settle {shown}")
    return exits.FAILED if merged.conflicts else exits.CLEAN


@sops_app.command
def settle(*files: InputPath) -> int:
    """Write the MAC of files anew after a person has settled what sops merge left open.

    Every value still has to be one that was encrypted for its place; which ones are there, you say by this.

    Parameters
    ----------
    files
        SOPS files.
    """
    from gateway_secrets.sops.merging import finish_file  # noqa: PLC0415 - the rest needs no reader

    if not files:
        raise UsageError("name at least one file")
    keys = _keys()
    for file in files:
        former = read_file(Path(_named(file)))
        try:
            data = finish_file(former.data, keys, _now(), format_of(file))
        except SopsError as error:
            raise SopsError(f"{file}: {error}") from None
        replace(former, data)
        say(f"{file}: has the MAC of its values")
    return exits.CLEAN


def _keys() -> Keys:
    """What opens data keys: the age identities of the user, else sops."""
    from gateway_secrets.sops.courier import fetch  # noqa: PLC0415 - the rest needs no reader
    from gateway_secrets.sops.identities import find_identities  # noqa: PLC0415 - the same
    from gateway_secrets.sops.sides import Keys  # noqa: PLC0415 - the same

    return Keys(find_identities(), fetch)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@sops_app.command
def lint(
    configuration: Path | None = None,
    *,
    output: Annotated[Format, Parameter(name=["--output", "-o"])] = "table",
    fail_on: Literal["deny", "warn"] = "deny",
) -> int:
    """Hold the files below .sops.yaml against its rules: not encrypted, for the wrong recipients, rules about nothing.

    Parameters
    ----------
    configuration
        The configuration of sops; else the .sops.yaml of the working folder, or the nearest above it.
    output
        table for people; json and yaml for programs; sarif, junit, github, gitlab, markdown for what shows findings.
    fail_on
        What makes the command fail.
    """
    from gateway.ci.sops_files import lint as linted  # noqa: PLC0415 - the rest needs no reader

    return finish(linted(_configuration(configuration)), output, fail_on)


@sops_app.command
def updatekeys(
    *paths: InputPath,
    sops_config: Path | None = None,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Encrypt the data keys of a tree for the recipients and keys that .sops.yaml names now. Values stay as they are.

    With --dry-run nothing is written, and the exit code is 2 if something would be.

    Parameters
    ----------
    paths
        Files and folders; else the folder of .sops.yaml.
    sops_config
        The configuration of sops; else the .sops.yaml of the working folder, or the nearest above it.
    dry_run
        Say what would be done.
    """
    from gateway.ci.sops_files import stale  # noqa: PLC0415 - the rest needs no reader

    configuration = _configuration(sops_config)
    found, doubts = stale(configuration, paths or (str(configuration.parent),))
    for doubt in doubts:
        say(f"left alone: {doubt}")
    failed = 0
    for number, one in enumerate(found, start=1):
        change = " ".join((*(f"+{who}" for who in one.missing), *(f"-{who}" for who in one.extra)))
        print(f"{one.path}: {change}")
        if not dry_run:
            failed += not _updated(one, f"{number}/{len(found)}")
    say(
        f"{len(found)} files {'to be brought' if dry_run else 'brought'} up to date, {failed} failed, {len(doubts)} left alone"
    )
    if failed:
        return exits.FAILED
    return exits.WARNED if dry_run and found else exits.CLEAN


def _configuration(named: Path | None) -> Path:
    from gateway.ci.sops_files import find_configuration  # noqa: PLC0415 - the rest needs no reader

    found = named or find_configuration()
    if found is None:
        raise UsageError("there is no .sops.yaml here, nor in a folder above: name it")
    return found


def _updated(one: Stale, count: str) -> bool:
    """Let sops do a copy of the file, which then takes its place: a full disk leaves the file as it was."""
    former = read_file(Path(one.path))
    try:
        replace(former, program.updated(Path(one.path).name, former.data, one.alone))
    except (FileError, ProgramError) as error:
        say(f"{count} {one.path}: {error}")
        return False
    return True


def _made(command: str, files: Sequence[str], options: Sequence[str], *, in_place: bool, config: str = "") -> int:
    """What sops makes of each file, whole or not at all."""
    if not files:
        raise UsageError("name at least one file")
    if len(files) > 1 and not in_place:
        raise UsageError("several files need --in-place")
    before = ["--config", config] if config else []
    for file in files:
        former = read_file(Path(_named(file)))
        try:
            data = program.run([*before, command, *options, "--", file])
        except ProgramError as error:
            again = command == "encrypt" and "already being encrypted" in str(error)
            raise ProgramError(f"{file}: {'is encrypted already: sops edit changes it' if again else error}") from None
        if in_place:
            replace(former, data)
            say(f"{file}: {command}ed" if command == "encrypt" else f"{file}: encrypted with a new data key")
        else:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    return exits.CLEAN


def _named(file: str) -> str:
    if file == "-":
        raise UsageError("name a file: sops needs its name to find the rule and the format")
    return os.fspath(file)


def _by_program(content: Content) -> None:
    """Opened by sops through a pipe, and thrown away."""
    program.run(["decrypt", "--", content.path])
