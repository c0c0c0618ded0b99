"""Structured files other than YAML and JSON, read by Conftest's own parsers (github.com/open-policy-agent/conftest/parser)
in a child process.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.native.contained import Bounds, call_each
from gateway.native.library import NativeError, frames
from gateway.native.manifests import Document, File, Problem, steps_of, unframed

YAML = "yaml"
JSON = "json"

PARSERS = (
    "codeowners",
    "dockerfile",
    "dotenv",
    "edn",
    "hcl1",
    "hcl2",
    "hocon",
    "ignore",
    "ini",
    "jsonc",
    "nginx",
    "properties",
    "toml",
    "vcl",
    "xml",
)
"""By the names that Conftest gives them."""

MAX_BYTES = 4 * 1024 * 1024
"""Of one file: people write these."""

_SUFFIXES = {
    **{f".{name}": name for name in PARSERS},
    ".yaml": YAML,
    ".yml": YAML,
    ".json": JSON,
    ".hcl": "hcl2",
    ".tf": "hcl2",
    ".tfvars": "hcl2",
    ".env": "dotenv",
    ".gitignore": "ignore",
    ".dockerignore": "ignore",
}
_NAMES = {
    "dockerfile": "dockerfile",
    "containerfile": "dockerfile",
    ".env": "dotenv",
    ".gitignore": "ignore",
    ".dockerignore": "ignore",
    "nginx.conf": "nginx",
    "codeowners": "codeowners",
}
_PREFIXES = {"dockerfile.": "dockerfile", "containerfile.": "dockerfile", ".env.": "dotenv"}


def parser_of(path: str) -> str:
    """The parser for a file of this name, as Conftest chooses it; empty if there is none.

    A ``Containerfile`` is a Dockerfile too, which Conftest does not know.
    """
    name = path.rpartition("/")[2].lower()  # no Path object for each file
    if name in _NAMES:
        return _NAMES[name]
    for prefix, parser in _PREFIXES.items():
        if name.startswith(prefix):
            return parser
    _, dot, suffix = name.rpartition(".")
    return _SUFFIXES.get(dot + suffix, "")


def read_documents(files: Sequence[tuple[str, bytes]], bounds: Bounds | None = None) -> list[File]:
    """Read files, given as the parser's name and the content. A list at the top is a document for each element.

    Lines are those of the files: 1, but for problems that state one.
    """
    few = [frames((parser.encode(), content)) for parser, content in files if len(content) <= MAX_BYTES]
    answers = iter(call_each("documents.read", few, bounds))
    return [_file(next(answers)) if len(content) <= MAX_BYTES else _TOO_LARGE for _, content in files]


_TOO_LARGE = File((), Problem(1, f"larger than {MAX_BYTES} bytes"))


def _file(answer: bytes | NativeError) -> File:
    if isinstance(answer, NativeError):
        line = answer.details if isinstance(answer.details, int) else 0
        message = "the parser failed" if answer.code == "panic" else str(answer)
        return File((), Problem(max(line, 1), message))
    return File(tuple(Document(1, document) for document in unframed(answer)))


def lines_in(files: Sequence[tuple[str, bytes, Sequence[str]]]) -> list[list[int]]:
    """The lines of field paths in files, given as the parser's name, the content and the paths; 1 where it is not known.

    They are known in Dockerfiles (by the number of the instruction), HCL, and where keys stand at the beginning of
    lines; see :func:`gateway.native.manifests.lines_of` for the rest.
    """
    asked = {index: file for index, file in enumerate(files) if any(file[2])}
    payloads = [
        frames((parser.encode(), content, msgspec.json.encode([steps_of(path) for path in paths])))
        for parser, content, paths in asked.values()
    ]
    lines = [[1] * len(paths) for _, _, paths in files]
    for index, answer in zip(asked, call_each("documents.positions", payloads), strict=True):
        if not isinstance(answer, NativeError):
            lines[index] = msgspec.json.decode(answer, type=list[int])
    return lines
