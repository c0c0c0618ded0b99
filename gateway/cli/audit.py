"""``govgate audit``: make, verify, read, export, prune the decision log, and look after its signing key."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from gateway.audit.check import verify_file, verify_log
from gateway.audit.checkpoint import parse_checkpoint, parse_key_change
from gateway.audit.control import control, init_log
from gateway.audit.export import export, output
from gateway.audit.keys import load_signer
from gateway.audit.note import Verifier, parse_verifier
from gateway.audit.reader import Filter, Reader, open_reader
from gateway.audit.signatures import Trust
from gateway.audit.state import open_state, state_folder
from gateway.audit.times import point_in_time
from gateway.audit.wire import Command
from gateway.cli import exits
from gateway.cli.audit_view import follow, print_records, print_report
from gateway.config import load_config
from gateway.config.model import Audit
from gateway.core.errors import AuditError, UsageError

audit_app = App(name="audit", help="The decision log: verify, query, tail, export, prune; its checkpoints and keys.")
key_app = App(name="key", help="The log's signing key.")
audit_app.command(key_app)
audit_app.command(
    "gateway.cli.audit_report:report", name="report", help="What was and would have been refused, by whom."
)

Config = Annotated[Path | None, Parameter(help="The configuration file; else GOVGATE_CONFIG names it.")]
StateDir = Annotated[Path | None, Parameter(help="The log's folder; else as configured, else $XDG_STATE_HOME/govgate.")]
View = Annotated[Literal["table", "json"], Parameter(alias="-o", help="The format of what is printed.")]

MAX_NOTE_BYTES = 65_536


@audit_app.command
def init(*, state_dir: StateDir = None, config: Config = None) -> None:
    """Make the log's folder (0700), its keys and its first record. An existing log is left as it is."""
    audit, folder = _where(state_dir, config)
    init_log(folder, audit)
    state = open_state(folder)
    sys.stderr.write(f"the audit log {state.log_id} is in {folder}; its key, to be kept elsewhere:\n")
    print(load_signer(folder, state.log_id).verifier)


@audit_app.command
def verify(  # noqa: D417 - the other options say themselves what they are
    file: Path | None = None,
    *,
    state_dir: StateDir = None,
    key: str = "",
    checkpoint: Path | None = None,
    output: View = "table",
    config: Config = None,
) -> int:
    """Verify the whole log, or a JSON-lines export of it: 0 if it is what was written, 3 if it was tampered with.

    Parameters
    ----------
    file
        A file that `audit export --format jsonl` wrote.
    key
        A verifier key of the log that was kept elsewhere, or a file with it; later changes of key are followed.
    checkpoint
        A signed checkpoint that was kept elsewhere: shows a log that was cut off or written anew.
    """
    trust = Trust(_key(key), _read_note(checkpoint) if checkpoint else "")
    if file is not None:
        report = verify_file(file, trust, _progress)
    else:
        with _reading(state_dir, config) as (reader, _):
            report = verify_log(reader, trust, _progress)
    print_report(report, output)
    return exits.CLEAN if report.ok else exits.DENIED


@audit_app.command(name="export")
def export_log(  # noqa: D417 - the other options say themselves what they are
    *,
    output_format: Annotated[
        Literal["jsonl", "csv", "parquet", "cloudevents", "ocsf"], Parameter(name=["--format", "--output", "-o"])
    ] = "jsonl",
    since: str = "",
    until: str = "",
    bodies: bool = False,
    out: Annotated[Path | None, Parameter(name=["--file", "-O"])] = None,
    state_dir: StateDir = None,
    config: Config = None,
) -> None:
    """Export a part of the log.

    Parameters
    ----------
    output_format
        jsonl can be verified again; csv and parquet are flat; cloudevents and ocsf are for event pipelines.
    since
        From this time on: RFC 3339, a date, or 24h, 7d ago.
    until
        Before this time.
    bodies
        With the redacted bodies of the objects (jsonl, cloudevents).
    out
        A file, which appears when it is whole; else standard output.
    """
    start, end = _times(since, until)
    with _reading(state_dir, config) as (reader, _), output(out) as stream:
        count = export(reader, stream, format_name=output_format, since=start, until=end, bodies=bodies)
    sys.stderr.write(f"{count} records exported\n")


@audit_app.command
def query(  # noqa: D417 - the other options say themselves what they are
    *,
    since: str = "",
    until: str = "",
    decision: Literal["", "allow", "deny", "undecided"] = "",
    user: str = "",
    kind: str = "",
    namespace: str = "",
    name: str = "",
    rule: str = "",
    limit: int = 100,
    output: View = "table",
    state_dir: StateDir = None,
    config: Config = None,
) -> None:
    """Print the last decisions that match, oldest first.

    Parameters
    ----------
    since
        From this time on: RFC 3339, a date, or 24h, 7d ago.
    until
        Before this time.
    user
        Whoever asked, exactly.
    rule
        Those with a finding of this rule, such as drift/owned-field.
    limit
        At most so many.
    """
    if limit < 1:
        raise UsageError("--limit is at least 1")
    start, end = _times(since, until)
    wanted = Filter(start, end, decision, user, kind, namespace, name, rule)
    with _reading(state_dir, config) as (reader, _):
        print_records(reader.find(wanted, limit=limit), output)


@audit_app.command
def tail(  # noqa: D417 - the other options say themselves what they are
    *,
    lines: Annotated[int, Parameter(alias="-n")] = 10,
    follow_: Annotated[bool, Parameter(name=["--follow", "-f"], negative="")] = False,
    output: View = "table",
    state_dir: StateDir = None,
    config: Config = None,
) -> None:
    """Print the newest records; JSON as one record a line.

    Parameters
    ----------
    lines
        How many.
    follow_
        Go on printing what is added, until interrupted. SIGTERM ends it when everything is printed.
    """
    if lines < 0:
        raise UsageError("--lines is at least 0")
    with _reading(state_dir, config) as (reader, _):
        follow(reader, lines, output, forever=follow_)


@audit_app.command
def checkpoint(*, state_dir: StateDir = None, config: Config = None) -> None:
    """Print the newest signed checkpoint. Keep it elsewhere: it shows a log that was cut off or written anew."""
    with _reading(state_dir, config) as (reader, folder):
        note = reader.newest_checkpoint()
    if not note:
        raise AuditError(f"the log in {folder} has no checkpoint yet")
    print(note, end="")


@audit_app.command
def prune(  # noqa: D417 - the other options say themselves what they are
    *,
    before: str = "",
    through: int = 0,
    state_dir: StateDir = None,
    config: Config = None,
) -> None:
    """Remove the oldest records, up to a signed checkpoint; the rest verifies. A writer at work does it meanwhile.

    Parameters
    ----------
    before
        Records older than this: RFC 3339, a date, or 90d.
    through
        Records up to this number.
    """
    if bool(before) == bool(through):
        raise UsageError("say what to remove, by --before or by --through")
    with _reading(state_dir, config) as (reader, folder):
        number = through or max(0, reader.range_of(point_in_time(before), "")[0] - 1) or reader.bounds()[1]
    audit, _ = _where(state_dir, config)
    removed = int(control(folder, audit, Command("prune", number)))
    print(f"records up to {removed} are removed" if removed else "nothing to remove before a checkpoint")


@key_app.command(name="show")
def key_show(*, state_dir: StateDir = None, config: Config = None) -> None:
    """Print every key of the log: from which record on it signs, and its verifier key."""
    with _reading(state_dir, config) as (reader, _):
        for note in reader.key_notes():
            change = parse_key_change(note)
            print(f"{change.seq:>12}  {change.key}")


@key_app.command(name="export")
def key_export(*, state_dir: StateDir = None, config: Config = None) -> None:
    """Print the verifier key in force (C2SP: name, hash, public key). The private key never leaves its file."""
    _, folder = _where(state_dir, config)
    print(load_signer(folder, open_state(folder).log_id).verifier)


@key_app.command(name="rotate")
def key_rotate(*, state_dir: StateDir = None, config: Config = None) -> None:
    """Put a new signing key in force and print its verifier key. The old key signs the change and is destroyed."""
    audit, folder = _where(state_dir, config)
    print(control(folder, audit, Command("rotate")))


def _where(state_dir: Path | None, config: Path | None) -> tuple[Audit, Path]:
    audit = load_config(config).config.audit
    return audit, state_dir or state_folder(audit.state_dir)


@contextmanager
def _reading(state_dir: Path | None, config: Path | None) -> Iterator[tuple[Reader, Path]]:
    _, folder = _where(state_dir, config)
    with open_reader(folder) as reader:
        yield reader, folder


def _times(since: str, until: str) -> tuple[str, str]:
    return (point_in_time(since) if since else ""), (point_in_time(until) if until else "")


def _key(text: str) -> Verifier | None:
    if not text:
        return None
    return parse_verifier(text if "+" in text and not Path(text).is_file() else _read_note(Path(text)))


def _read_note(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_NOTE_BYTES)
        if "\n\n" in text:
            parse_checkpoint(text)
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"cannot read {path}: {getattr(error, 'strerror', 'not UTF-8')}") from None
    return text


def _progress(count: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{count} records verified …")
