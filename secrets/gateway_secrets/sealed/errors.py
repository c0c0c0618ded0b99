"""What can go wrong with sealed values, by origin. No text ever holds a value, nor a part of one."""

from __future__ import annotations

from gateway.core.errors import GovgateError


class SealError(GovgateError):
    """Base of everything about sealing."""


class InputError(SealError):
    """What was given is no Secret, no SealedSecret, or cannot be one; the text says where."""


class CertificateError(SealError):
    """A certificate cannot be read, is expired, or is not one to seal with."""


class KeyFileError(SealError):
    """A file of private keys cannot be read."""


class MalformedBlobError(SealError):
    """A sealed value is not built as one: no key can open it."""


class UnsealError(SealError):
    """No key opens a sealed value: it is for another key, name, namespace or scope, or it was changed.

    Which of these it is cannot be told apart, on purpose: whoever could would learn something about the key.
    """


class NotNowError(SealError):
    """It cannot be done for a reason that may pass: memory or time was short, a helper process ended."""


class FileError(SealError):
    """A file cannot be read or written, or was changed meanwhile; what it held is still there."""


class RemoteError(SealError):
    """A controller, or a server of certificates, cannot be reached or did not answer as it should."""
