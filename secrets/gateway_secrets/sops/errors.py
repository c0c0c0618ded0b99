"""What can go wrong with SOPS files, by origin. No text ever holds a value, nor a part of one."""

from __future__ import annotations

from gateway.core.errors import GovgateError


class SopsError(GovgateError):
    """Base of everything about SOPS files."""


class NotSopsError(SopsError):
    """The file has no SOPS metadata: it is not encrypted by SOPS."""


class UnsupportedError(SopsError):
    """The file uses something that only the sops program itself can do."""


class MalformedError(SopsError):
    """The file claims to be SOPS's, and is not built as one."""


class NoKeyError(SopsError):
    """None of the identities at hand opens the file's data key."""


class TamperedError(SopsError):
    """A value, its place, or the whole does not match what was encrypted: the MAC or a tag is wrong."""


class ProgramError(SopsError):
    """The sops program is missing, or failed."""
