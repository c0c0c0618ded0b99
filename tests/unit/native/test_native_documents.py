"""Files of other people's making are read in a child process: what would end this one costs one file."""

from __future__ import annotations

import json

import pytest

from gateway.native.contained import Bounds, call_each
from gateway.native.documents import MAX_BYTES, PARSERS, lines_in, read_documents
from gateway.native.library import NativeError, frames

pytestmark = pytest.mark.native

GOOD = ("hcl2", b"a = 1\n")
NESTED = ("hcl2", b"a = " + b"(" * 300_000)
PANICS = ("hocon", b"a = ")
MEBIBYTE = 1024 * 1024


def test_what_ends_the_child_costs_one_file() -> None:
    """Those before and after it are read; a panic does not even end the child."""
    files = read_documents([GOOD, NESTED, GOOD, PANICS, GOOD])
    assert [len(file.documents) for file in files] == [1, 0, 1, 0, 1]
    problems = [file.problem.message for file in files if file.problem is not None]
    assert problems == ["is nested too deeply", "the parser failed"]


def test_crashes_are_bounded() -> None:
    """After so many, what is left is not read, and says so."""
    files = read_documents([NESTED, GOOD, NESTED, GOOD], Bounds(max_crashes=1))
    assert [file.problem.message[:20] if file.problem else "" for file in files] == [
        "is nested too deeply",
        *["not read: 1 files be"] * 3,
    ]


def test_time_is_bounded() -> None:
    """Of a child that is late the rest is asked of another one, until that is too late as well."""
    files = read_documents([GOOD], Bounds(timeout_seconds=0.001))
    assert files[0].problem is not None
    assert files[0].problem.message == "takes longer than 0.001 s to read"


def test_memory_is_bounded() -> None:
    """Of which a child has less than it is given to read."""
    (answer,) = call_each(
        "documents.read",
        [frames((b"hcl2", b"a = [" + b"{}," * 20_000_000 + b"]"))],
        Bounds(memory_bytes=256 * MEBIBYTE),
    )
    assert isinstance(answer, NativeError)
    assert answer.code == "memory"


def test_size_is_bounded() -> None:
    """A file that is too large is not even given to a child."""
    (file,) = read_documents([("toml", b"#" * (MAX_BYTES + 1))])
    assert file.problem is not None
    assert "larger than" in file.problem.message


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\0", b"{{{{", b"[" * 50, b"=\n=\n"], ids=repr)
def test_every_parser_takes_anything(content: bytes) -> None:
    """Documents, or a problem; of nonsense too."""
    for file in read_documents([(parser, content) for parser in PARSERS]):
        assert (file.problem is None) == bool(file.documents)
        assert all(isinstance(json.loads(document.json), object) for document in file.documents)


def test_lines_of_fields() -> None:
    """In blocks by type, labels and index; in sections and dotted keys; a field that is not there is where the most of
    its beginning is.
    """
    hcl = b'a "x" {\n  y = {\n    "k" = [1,\n      2]\n  }\n}\na "x" {\n  b {}\n  b {\n    c = 1\n  }\n}\n'
    paths = ["a.x[0].y.k[1]", "a.x[1].b[1].c", "a.x[1].b[9]", "a.q", "a.x[0].y.z", "n", "a"]
    toml = b"top = 1\n[s.t]\nu.v = 1\n'w x' = 2\n[[p]]\nq = 1\n"
    keys = ["top", "s.t.u.v", 's.t["w x"]', "p[0].q", "s", "s.t.z"]
    docker = b"# c\nFROM a\n# d\n# e\nRUN x \\\n  y\nCMD z\n"
    lines = lines_in(
        [
            ("hcl2", hcl, paths),
            ("toml", toml, keys),
            ("dockerfile", docker, ["[0]", "[1]", "[2]", "[4].Value", "[5]", "[9]", ""]),
            ("xml", b"<a/>", ["a"]),
            ("hcl2", b"a = (", ["a"]),
        ]
    )
    assert lines[0] == [4, 10, 8, 1, 2, 1, 1]
    assert lines[1] == [1, 3, 4, 6, 1, 2]
    assert lines[2] == [2, 2, 5, 5, 7, 1, 1]
    assert lines[3:] == [[1], [1]]
