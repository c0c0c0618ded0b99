"""A data key that no identity opens in process, by way of the sops program: whatever keys it knows, it opens.

sops hands no data key out. It does encrypt one for other recipients: here for an age identity that is made for the moment,
in a file that holds the metadata and no value. The data key is in plain text in sops and in this process, and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway_secrets.sops import program
from gateway_secrets.sops.documents import KINDS, read
from gateway_secrets.sops.errors import ProgramError
from gateway_secrets.sops.identities import new_identity
from gateway_secrets.sops.opened import data_key

_NUMBERS = ("shamir_threshold",)


def fetch(stated: Mapping[str, Any]) -> bytes:
    """The data key of a file. ``stated``: its metadata.

    Raises:
        ProgramError: sops is missing, or cannot open it.
        SopsError: what it wrote cannot be read.
    """
    identity, recipient = new_identity()
    metadata = {name: stated[name] for name in ("age", *KINDS, "key_groups") if stated.get(name)}
    metadata |= {name: int(stated[name]) for name in _NUMBERS if str(stated.get(name) or "").isdecimal()}
    metadata |= {"mac": "", "lastmodified": "2000-01-01T00:00:00Z", "version": str(stated.get("version") or "3.0.0")}
    try:
        file = json.dumps({"sops": metadata}).encode()
        data = program.updated("key.json", file, {"creation_rules": [{"age": recipient}]})
    except ProgramError as error:
        raise ProgramError(f"its data key cannot be opened: {error}") from None
    return data_key(read(data, "json").metadata, [identity])
