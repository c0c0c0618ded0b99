"""Parameters that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gateway.core.errors import UsageError


def _no_options(_type: object, value: str | Path) -> None:
    """``-`` alone is standard input; anything else that begins so was meant as an option."""
    if str(value).startswith("-") and str(value) != "-":
        name = str(value).partition("=")[0]  # what follows may be a secret
        raise UsageError(f"Unknown option: {name} (a file of that name: ./{name})")


PATHS = Parameter(allow_leading_hyphen=True, validator=_no_options)
"""For positional files, ``-`` among them."""

InputPath = Annotated[str, PATHS]
"""A file, a folder, or ``-`` for standard input."""

Kubeconfig = Annotated[
    Path | None,
    Parameter(help="The kubeconfig to connect with. Without it, as the configuration says, else as kubectl would."),
]
KubeContext = Annotated[str, Parameter(help="The context in it; else the current one.")]
ConfigFile = Annotated[
    Path | None,
    Parameter(help="The configuration file; else GOVGATE_CONFIG names it, else the embedded defaults hold."),
]
