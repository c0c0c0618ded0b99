"""``spec.template.data`` filled in as Bitnami's controller does, in the renderer's helper processes."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.native.library import NativeMissingError
from gateway.native.templates import Renderer, TemplateError
from gateway_secrets.sealed.errors import NotNowError, SealError
from gateway_secrets.sealed.reconcile import Templates


def templates_by(renderer: Renderer) -> Templates:
    """Fill in with a renderer; blocks, so in a thread."""

    def fill(texts: Mapping[str, str], values: Mapping[str, bytes]) -> Mapping[str, bytes]:
        try:
            made = renderer.render_here(list(texts.values()), values, dialect="sealed-secrets")
        except TemplateError as error:
            kind = NotNowError if error.kind == "engine" else SealError
            raise kind(f"spec.template.data: {list(texts)[error.index]}: {error.message}") from None
        except NativeMissingError as error:
            raise NotNowError(f"spec.template.data: {error}") from None
        return dict(zip(texts, made, strict=True))

    return fill
