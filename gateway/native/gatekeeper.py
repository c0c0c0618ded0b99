"""Gatekeeper's templates made ready to be compiled together, by way of OPA's own parser."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.native.rego import Module, compile_call


class Rewritten(msgspec.Struct, frozen=True):
    """The modules of a template in a world of its own. ``static``: they read the parameters from data, not input."""

    modules: tuple[Module, ...]
    static: bool


def rewrite_template(
    *, root: str, parameters: str, path: str, rego: str, libs: Sequence[str], version: int
) -> Rewritten:
    """Move a template's module to ``<root>.template`` and its libraries below ``<root>.libs``; lines stay what they are.

    Args:
        root: such as ``data.govgate.gatekeeper["K8sRequiredLabels"]["all"]``.
        parameters: what ``input.parameters`` becomes, if every use of ``input`` in the template is static.
        path: names the template in diagnostics; its module is ``<path>/template``.
        rego: the template's module, which defines ``violation``.
        libs: its libraries.
        version: of Rego, 0 or 1.

    Raises:
        RegoError: it does not parse, or refers to more than its libraries and ``data.inventory``.
    """
    request = {"root": root, "parameters": parameters, "path": path, "rego": rego, "libs": libs, "version": version}
    return msgspec.json.decode(compile_call("gatekeeper.rewrite", msgspec.json.encode(request)), type=Rewritten)
