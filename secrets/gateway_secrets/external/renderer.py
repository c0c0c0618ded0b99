"""What fills in templates: Go's own engine, elsewhere. Here is what is asked of it, and how its errors are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from gateway.core.errors import GovgateError
from gateway_secrets.external.errors import ContentError

Dialect = Literal["external-secrets"]
DIALECT: Dialect = "external-secrets"


class Renderer(Protocol):
    """Renders templates as ESO does. What it raises says which text it was (``index``), and shows no value."""

    async def render(self, texts: Sequence[str], values: Mapping[str, bytes], *, dialect: Dialect) -> list[bytes]:
        """Each text, filled in with the same values."""
        ...


async def rendered(
    renderer: Renderer, texts: Sequence[str], values: Mapping[str, bytes], where: Sequence[str]
) -> list[bytes]:
    """The texts filled in. ``where``: the field of each, for errors.

    Raises:
        ContentError: a template is wrong, asks for what is not there, or makes too much.
    """
    if not texts:
        return []
    try:
        return await renderer.render(texts, values, dialect=DIALECT)
    except ContentError:
        raise
    except GovgateError as error:
        index = getattr(error, "index", None)
        at = where[index] if isinstance(index, int) and 0 <= index < len(where) else where[0]
        raise ContentError(f"{at}: {error}") from None
