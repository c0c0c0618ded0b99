"""The search for leaked secrets finds what was planted: without that, finding nothing would say nothing."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from support.leaks import leaks

VALUE = 'kX9"/vT2<m>&ü+Q7zL4'

PLANTED = {
    "raw": f"login failed for {VALUE}!",
    "fragment": f"…{VALUE[3:11]}…",
    "base64": "data: " + base64.b64encode(VALUE.encode()).decode(),
    "base64 url": base64.urlsafe_b64encode(VALUE.encode()).decode(),
    "base64 within": base64.b64encode(f"user:{VALUE}@host".encode()).decode(),
    "base64 within, shifted": base64.b64encode(f"users:{VALUE}@host".encode()).decode(),
    "base64 within, shifted twice": base64.b64encode(f"user-a:{VALUE}@host".encode()).decode(),
    "url": f"https://h/?p={quote(VALUE, safe='')}",
    "json": json.dumps({"p": VALUE}),
    "hex": VALUE.encode().hex(),
    "repr": repr({"p": VALUE}),
}


@pytest.mark.parametrize("guise", PLANTED)
def test_a_planted_leak_is_found(guise):
    """In whatever guise a secret was written, and in fragments of eight characters, it is found."""
    assert leaks(f"a line before\n{PLANTED[guise]}\nand one after", [VALUE])


def test_what_is_not_there_is_not_found():
    """Seven characters are no leak, nor is anything else."""
    assert leaks(f"login failed {VALUE[:7]}, {VALUE[9:15]}", [VALUE]) == []
