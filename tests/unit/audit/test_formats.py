"""Export formats."""

from __future__ import annotations

import csv
import importlib
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audit_facts import RULES, START_NS, denial, entry, subject

from gateway.audit.chain import GENESIS, chain, draft_event
from gateway.audit.check import verify_file
from gateway.audit.export import export, output
from gateway.audit.formats import FORMATS, csv_header, to_cloudevent, to_csv, to_jsonl
from gateway.audit.log import Log
from gateway.audit.ocsf import ocsf_event
from gateway.audit.reader import open_reader
from gateway.audit.record import Bodies, decision_draft
from gateway.audit.rows import COLUMNS, parse_record
from gateway.audit.signatures import Trust
from gateway.audit.state import create_state
from gateway.config.model import Audit
from gateway.core.errors import AuditError, UsageError

LOG = "0123456789abcdef" * 2


def _record(message: str = "m", name: str = "api") -> tuple[bytes, str]:
    draft = decision_draft(
        subject(1, name=name), denial(message), rules=RULES, timings={"total": 9}, bodies=Bodies(), time_ns=START_NS
    )
    return chain(draft, seq=3, prev=GENESIS)


def _read_csv(line: bytes) -> dict[str, str]:
    return next(csv.DictReader(io.StringIO(csv_header().decode() + "\r\n" + line.decode(), newline="")))


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=30), st.sampled_from("=+-@\t\r\n x"))
def test_csv_cells_are_never_formulas(text: str, first: str) -> None:
    """No cell begins as a spreadsheet's formula does, and every cell reads back but for the apostrophe."""
    row = _read_csv(to_csv(*_record(first + text, first + text), {}, LOG))
    assert list(row) == list(COLUMNS)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in row.values())
    assert row["name"].removeprefix("'") in (first + text, (first + text).removeprefix("'"))


def test_jsonl_holds_the_records_very_bytes() -> None:
    """A line's record is what was hashed."""
    envelope, digest = _record()
    line = to_jsonl(envelope, digest, {"object": b'{"a":1}'}, LOG)
    assert envelope in line
    assert json.loads(line) == {"hash": digest, "record": json.loads(envelope), "bodies": {"object": {"a": 1}}}


def test_cloudevent_has_what_the_specification_requires() -> None:
    """CloudEvents 1.0: id, source, specversion and type, and attribute names of lower-case letters and digits."""
    envelope, digest = _record()
    event = json.loads(to_cloudevent(envelope, digest, {}, LOG))
    assert (event["specversion"], event["type"]) == ("1.0", "dev.govgate.audit.decision.v1")
    assert event["source"].endswith(LOG)
    assert event["subject"] == "apps/v1/Deployment/web/api"
    assert event["data"]["record"] == json.loads(envelope)
    assert all(name.isalnum() and name == name.lower() and len(name) <= 20 for name in event)


def test_ocsf_has_what_the_schema_requires() -> None:
    """API Activity 6003 of OCSF 1.3.0: the required attributes, with the right numbers for a denied update."""
    event = ocsf_event(parse_record(_record()[0]), "sha256:x", LOG)
    required = {
        "activity_id",
        "actor",
        "api",
        "category_uid",
        "class_uid",
        "metadata",
        "severity_id",
        "src_endpoint",
        "time",
        "type_uid",
    }
    assert required <= set(event)
    assert (event["class_uid"], event["category_uid"], event["activity_id"], event["type_uid"]) == (6003, 6, 3, 600303)
    assert (event["action_id"], event["disposition_id"], event["severity_id"]) == (2, 2, 4)
    assert event["time"] == START_NS // 1_000_000
    assert event["metadata"]["version"] == "1.3.0"
    assert event["api"]["operation"] == "UPDATE"


def test_ocsf_of_the_logs_own_records() -> None:
    """Records about the log are events too."""
    envelope, digest = chain(draft_event("loss", {"count": 2}), seq=1, prev=GENESIS)
    event = ocsf_event(parse_record(envelope), digest, LOG)
    assert event["activity_id"] == 99
    assert event["actor"] == {"app_name": "govgate"}


def _log(tmp_path: Path, count: int = 30) -> Path:
    log = Log(create_state(tmp_path / "state"), Audit(checkpoint_records=10))
    log.append([entry(number) for number in range(count)])
    log.close()
    return tmp_path / "state"


def _export(folder: Path, name: str, since: str = "", until: str = "", *, bodies: bool = False) -> bytes:
    out = io.BytesIO()
    with open_reader(folder) as reader:
        export(reader, out, format_name=name, since=since, until=until, bodies=bodies)
    return out.getvalue()


@pytest.mark.parametrize("bodies", [False, True])
def test_exported_lines_verify(tmp_path: Path, bodies: bool) -> None:
    """A JSON-lines export verifies, whole or in part, after other tools wrote it anew, and not when it was changed."""
    data = _export(_log(tmp_path), "jsonl", bodies=bodies)
    file = tmp_path / "x.jsonl"
    file.write_bytes(data)
    report = verify_file(file, Trust(), lambda _count: None)
    assert report.ok
    assert (report.records, report.bodies) == (32, 30 if bodies else 0)
    if not bodies:  # a body's address is of its bytes; a record has a canonical form
        file.write_text("\n".join(json.dumps(json.loads(line), sort_keys=True) for line in data.splitlines()))
        assert verify_file(file, Trust(), lambda _count: None).ok
    file.write_bytes(b"\n".join(data.splitlines()[7:]))
    assert verify_file(file, Trust(), lambda _count: None).ok
    file.write_bytes(data.replace(b'"alice"', b'"malice"', 1))
    assert verify_file(file, Trust(), lambda _count: None).problems[0].kind == "altered"
    if bodies:
        file.write_bytes(data.replace(b'{"number":7}', b'{"number":8}', 1))
        assert verify_file(file, Trust(), lambda _count: None).problems[0].kind == "body-altered"


def test_times_cut_a_part_without_holes(tmp_path: Path) -> None:
    """--since and --until choose a stretch of the chain."""
    log = Log(create_state(tmp_path / "state"), Audit())
    log.append([entry(number, time_ns=START_NS + number * 10**9) for number in (1, 2, 9, 3, 4)])
    log.close()
    folder = tmp_path / "state"
    since = json.loads(entry(3, time_ns=START_NS + 3 * 10**9).draft.tail.join([b"{", b"}"]))["time"]
    lines = [json.loads(line) for line in _export(folder, "jsonl", since=since).splitlines()]
    seqs = [line["record"]["seq"] for line in lines if "record" in line]
    assert seqs == list(range(seqs[0], seqs[-1] + 1))
    assert _export(folder, "jsonl", since="2999").splitlines() == []


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_no_plaintext_in_any_format(tmp_path: Path, name: str) -> None:
    """What was redacted in the log is redacted in each export."""
    bodies = name in ("jsonl", "cloudevents")
    assert b"open-sesame" not in _export(_log(tmp_path), name, bodies=bodies)


def test_wrong_wishes_are_usage_errors(tmp_path: Path) -> None:
    """An unknown format, and bodies where there is no place for them, are refused before anything is written."""
    folder = _log(tmp_path, 1)
    with pytest.raises(UsageError, match="no such format"):
        _export(folder, "xml")
    with pytest.raises(UsageError, match="no place for bodies"):
        _export(folder, "csv", bodies=True)


def test_parquet_names_its_extra(tmp_path: Path) -> None:
    """Without pyarrow the error says what to install; with it a table comes out."""
    folder = _log(tmp_path, 1)
    try:
        importlib.import_module("pyarrow")
    except ImportError:
        with pytest.raises(AuditError, match=r"govgate\[parquet\]"):
            _export(folder, "parquet")
    else:
        assert _export(folder, "parquet")[:4] == b"PAR1"


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """An export that fails leaves the old file and nothing else; one that ends replaces it."""
    target = tmp_path / "out.jsonl"
    target.write_bytes(b"old")

    def run_out_of_space() -> None:
        with output(target) as stream:
            stream.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(AuditError, match="No space"):
        run_out_of_space()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
    with output(target) as stream:
        stream.write(b"new")
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o600


def test_what_is_no_export_is_an_error(tmp_path: Path) -> None:
    """A file of something else is not a tampered log: it cannot be verified."""
    for content in (b"", b"hello\n", b'{"other": 1}\n'):
        file = tmp_path / "x"
        file.write_bytes(content)
        with pytest.raises(AuditError):
            verify_file(file, Trust(), lambda _count: None)
    with pytest.raises(AuditError, match="cannot read"):
        verify_file(tmp_path / "missing", Trust(), lambda _count: None)
