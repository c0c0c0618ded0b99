"""How files of a name write settings, which decides what counts as a value."""

from __future__ import annotations

from enum import Enum


class Style(Enum):
    """``SETTINGS``: values need no quotes; ``CODE``: only what is quoted is a value; ``PROSE``: sentences, and logs."""

    SETTINGS = 0
    CODE = 1
    PROSE = 2


_CODE = frozenset(
    """
    py pyi js mjs cjs ts tsx jsx go java kt kts scala groovy gradle rb rs c h cc cpp hpp cs fs php pl pm lua
    swift m dart ex exs erl clj hs ml r jl vb sql rego tf tfvars hcl nix bzl star proto graphql css scss less vue
    svelte cue jsonnet libsonnet ps1 vim el lisp zig s asm ipynb map
    """.split()  # noqa: SIM905 - read as words
)
_PROSE = frozenset(
    """
    md mdx markdown rst adoc txt text log out html htm tex csv tsv po pot svg diff patch 1 5 8
    """.split()  # noqa: SIM905 - read as words
)
_PROSE_NAMES = frozenset(("LICENSE", "NOTICE", "README", "CHANGELOG", "AUTHORS", "COPYING", "go.sum"))


def style_of(path: str) -> Style:
    """By the file's name; what is not known is settings."""
    name = path.rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    suffix = suffix.lower() if dot else ""
    if name in _PROSE_NAMES or (suffix in _PROSE and not stem.startswith(".env")):
        return Style.PROSE
    return Style.CODE if suffix in _CODE else Style.SETTINGS
