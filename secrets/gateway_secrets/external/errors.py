"""Why an ExternalSecret cannot become a Secret. No text holds a value, nor a part of one."""

from __future__ import annotations

from gateway.core.errors import GovgateError


class ExternalError(GovgateError):
    """Base: it names the field, and says what to do."""


class SpecError(ExternalError):
    """What the object says cannot work: somebody has to change it."""


class UnsupportedError(SpecError):
    """ESO does what it says, and govgate does not."""


class NotAllowedError(ExternalError):
    """A store may not be used from the namespace, or not for the key."""


class ContentError(ExternalError):
    """What was read cannot become what was asked for: a template fails, a key is none, it is too large."""
