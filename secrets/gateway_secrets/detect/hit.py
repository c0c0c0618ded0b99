"""What a detector says: which kind of credential, and where. Never the credential."""

from __future__ import annotations

import msgspec

from gateway.core.finding import Severity


class Kind(msgspec.Struct, frozen=True):
    """A kind of credential. ``title`` continues a sentence: "holds …"."""

    id: str
    title: str
    severity: Severity


class Hit(msgspec.Struct, frozen=True):
    """One credential.

    ``field``: in a document, the path of the value; in a text, the name of the setting, empty where there is none.
    ``line``: within the text, or within the value that ``field`` names; counted from 1.
    ``holds``: what more is known of what was found; a few words, or empty.
    """

    kind: str
    field: str
    line: int = 1
    holds: str = ""
