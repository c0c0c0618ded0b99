"""What the External Secrets Operator itself makes of templates: recorded, beside what recorded it.

``python -m support.external_secrets`` (in ``tests/``) has the answers to the texts of the recording recorded anew; the
tool is built by ``tools/build.py external-secrets``, in some minutes.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
from support.tools import tool

RECORDING = Path(__file__).parents[1] / "unit" / "native" / "external_secrets.json"


class Recording(msgspec.Struct):
    """Templates, values by key, and what each template makes of them: None where it cannot be rendered.

    Not among them: ``camelcase``, where version 0.16.2 has a fork of sprig that gives ``httpServer`` for what sprig, and
    External Secrets again since, give ``HttpServer``; what that fork lacks; and what govgate does not offer.
    """

    texts: list[str]
    values: dict[str, bytes]
    made: list[bytes | None]


def recording() -> Recording:
    """The recording."""
    return msgspec.json.decode(RECORDING.read_bytes(), type=Recording)


def answers(recorded: Recording) -> list[bytes | None]:
    """What the real thing makes of the texts now."""
    given = msgspec.json.encode({"texts": recorded.texts, "values": recorded.values})
    done = subprocess.run([tool("external-secrets")], input=given, capture_output=True, check=True, env={"TZ": "UTC"})
    return msgspec.json.decode(done.stdout, type=list[bytes | None])


if __name__ == "__main__":
    found = recording()
    found.made = answers(found)
    RECORDING.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
