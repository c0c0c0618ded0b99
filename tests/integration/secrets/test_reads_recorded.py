"""Reads are recorded beside a writer at work, which is then the one to record them."""

from __future__ import annotations

import asyncio
import json

from support.audit_writer import WriterProcess

from gateway.audit.state import create_state
from gateway.cli import exits
from gateway.cli.app import run
from gateway.config.model import Audit


async def test_the_writer_at_work_records_a_read(tmp_path, monkeypatch, capfd):
    """The command waits for it: when it is over, the record is in the log."""
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    folder, value = tmp_path / "XDG_STATE_HOME/govgate", tmp_path / "value"
    await asyncio.to_thread(value.write_text, "v")
    create_state(folder)
    writer = WriterProcess(Audit(), folder)
    await writer.start()
    try:
        for words in (("put", "k", "--from-file", str(value)), ("get", "k")):
            assert await asyncio.to_thread(run, ["secrets", *words]) == exits.CLEAN
    finally:
        await writer.stop()
    capfd.readouterr()
    assert run(["audit", "query", "-o", "json"]) == exits.CLEAN
    records = [item["record"] for item in json.loads(capfd.readouterr().out)]
    noted = {record["type"]: record["detail"] for record in records}
    assert (noted["secret-write"]["key"], noted["secret-write"]["version"]) == ("k", "1")
    assert (noted["secret-read"]["outcome"], noted["secret-read"]["shown"]) == ("read", "nothing")
    assert [record["type"] for record in records].count("start") == 1
