"""The search for leaked secrets finds what was planted: without that, finding nothing would say nothing."""

from __future__ import annotations

import base64
import json
import string
from urllib.parse import quote

import pytest
from support.leaks import FRAGMENT, Search, leaks
from support.planted import Planted
from support.said import AUDIT, EVENTS, LOGS, METRICS, OBJECTS, Said

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


def test_a_leak_across_pieces_is_found():
    """A leak is found wherever a text is cut into pieces to be searched."""
    search = Search([VALUE])
    for before in ((1 << 18) - 12, (1 << 18) - 8, (1 << 18) - 4, 1 << 18):
        assert search.leaks("x" * before + VALUE[:8] + "y" * 20) == [VALUE[:8]]


def test_a_leak_is_told_with_its_place():
    """What one place says is not put down to another; what is said there twice counts once."""
    planted = Planted()
    value = planted.plant("word")
    said = Said()
    for place in (LOGS, METRICS, AUDIT):
        said.add(place, "nothing of interest: word")
    assert said.leaks(planted.tails) == {}
    for place in (EVENTS, OBJECTS):
        said.add(place, json.dumps({"message": f"denied for {value}"}))
    assert said.leaks(planted.tails).keys() == {EVENTS, OBJECTS}
    assert planted.reveal(f"<{value}>") == "<word>"


def test_every_eight_characters_of_a_planted_value_are_rare():
    """None of them could be part of a digest, an identifier or an encoded certificate."""
    planted = Planted()
    planted.plant("word")
    (tail,) = planted.tails
    for start in range(len(tail) - FRAGMENT + 1):
        assert set(tail[start : start + FRAGMENT]) - set(string.ascii_letters + string.digits + "+/=-_")
