"""From what a store holds to the bytes that a reference asks for."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.stores.errors import NotFoundError, UnusableError
from gateway_secrets.stores.model import Payload
from gateway_secrets.stores.values import (
    as_map,
    convert_keys,
    decode,
    document_payload,
    fields_of,
    go_json,
    parse_json,
    select,
)

DOCUMENT = document_payload(b'{"a.b":"literal","a":{"b":"path"},"n":2.50,"z":null,"t":true,"s":"q\\"\\u00fc"}')


def test_a_literal_key_comes_before_a_path():
    """A key that looks like a path is taken as it is."""
    assert select(DOCUMENT, "a.b", key="k") == b"literal"


def test_members_are_given_as_text():
    """Strings lose their quotes, null is nothing, anything else stays as it is written."""
    assert {name: select(DOCUMENT, name, key="k") for name in ("a", "n", "z", "t", "s")} == {
        "a": b'{"b":"path"}', "n": b"2.50", "z": b"", "t": b"true", "s": 'q"ü'.encode(),
    }  # fmt: skip


def test_without_a_property_the_whole_is_given():
    """Byte for byte, whether it is JSON or not."""
    assert select(document_payload(b"\xff\x00"), "", key="k") == b"\xff\x00"


def test_what_cannot_be_given_whole_is_not_given_with_losses():
    """A Secret of Kubernetes with a binary value has no JSON form: an error, not a changed value."""
    with pytest.raises(UnusableError, match="name a property"):
        select(Payload(None, {"bin": b"\xff"}), "", key="k")


@pytest.mark.native
@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b", "literal"),
        ("a|b", "path"),
        ("a.@this", '{"b":"path"}'),
        ("n", "2.50"),
        ("@keys.#", "6"),
        (r"a\.b", "literal"),
    ],
)
def test_paths_are_gjsons(path, found):
    """What is no literal key is a path as gjson reads it."""
    assert select(DOCUMENT, path, key="k") == found.encode()


@pytest.mark.native
def test_a_path_into_a_field_begins_with_its_name():
    """In a Secret of Kubernetes the first segment names the key, the rest leads into its value."""
    payload = Payload(b"{}", {"config": b'{"db":{"port":5432}}', "file.json": b"f"}, nested="field")
    assert select(payload, "config.db.port", key="k") == b"5432"
    assert select(payload, "file.json", key="k") == b"f"
    for missing in ("other.db", "config", "nothing", "config.db.host")[0::2]:
        with pytest.raises(NotFoundError, match="has no property"):
            select(payload, missing, key="k")


@pytest.mark.native
def test_what_is_not_there_is_not_found_and_what_is_no_json_is_unusable():
    """Two errors, and neither shows the value."""
    with pytest.raises(NotFoundError, match=r"k: has no property 'a\.c'"):
        select(DOCUMENT, "a.c", key="k")
    with pytest.raises(UnusableError, match="not JSON") as caught:
        select(document_payload(b"plain-secret"), "x", key="k")
    assert "plain" not in str(caught.value)


@pytest.mark.native
@pytest.mark.parametrize("path", ["|".join(["[@this,@this]"] * 30), "|".join(["@tostr"] * 40), "a" * 2000])
def test_a_path_cannot_multiply_a_document(path):
    """A tenant's path that would fill the memory is refused before it is followed."""
    with pytest.raises(UnusableError, match="path"):
        select(DOCUMENT, path, key="k")


def test_a_map_needs_an_object():
    """Pairs are taken from an object; anything else is an error."""
    assert as_map(document_payload(b'{"a":"1","b":2}'), "", key="k") == {"a": b"1", "b": b"2"}
    assert as_map(DOCUMENT, "a", key="k") == {"b": b"path"}
    for whole in (b"[1]", b"text", b'"s"', b"{"):
        with pytest.raises(UnusableError, match="no JSON object"):
            as_map(document_payload(whole), "", key="k")


@given(st.binary(max_size=40))
def test_decoding_undoes_encoding(value):
    """Both alphabets, line breaks within ignored, by name or found out by Auto."""
    standard, url = base64.encodebytes(value), base64.urlsafe_b64encode(value)
    assert decode(standard, "Base64", key="k") == decode(standard, "Auto", key="k") == value
    assert decode(url, "Base64URL", key="k") == value
    assert decode(value, "None", key="k") == value


@pytest.mark.parametrize("value", [b"ab", b"abc", b"abcd=", b"a===", b"ab==cd==", b"ab cd===", b"=", b"a-_b*"])
def test_what_go_would_not_decode_is_not_decoded(value):
    """Padding is needed and nothing may follow it; Auto leaves such a value as it is."""
    assert decode(value, "Auto", key="k") == value
    with pytest.raises(UnusableError, match="is not Base64"):
        decode(value, "Base64", key="k")


def test_keys_are_converted_or_refused():
    """Characters that no Secret's key may have are replaced; two keys that become one are an error."""
    values = {"a/b c": b"1", "ü.x_-9²": b"2"}
    assert convert_keys(values, "Default") == {"a_b_c": b"1", "ü.x_-9²": b"2"}
    assert convert_keys(values, "Unicode") == {"a_U002f_b_U0020_c": b"1", "ü.x_-9²": b"2"}
    with pytest.raises(UnusableError, match="become 'a_b'"):
        convert_keys({"a/b": b"", "a:b": b""}, "Default")


@given(st.recursive(st.none() | st.booleans() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))  # fmt: skip
def test_json_is_written_so_that_it_reads_the_same(value):
    """Compact, in order, and the same values when it is read again."""
    for html in (True, False):
        assert json.loads(go_json(parse_json(json.dumps(value).encode()), html=html)) == value


def test_json_is_written_as_go_writes_it():
    """Keys in order, HTML escaped as json.Marshal does, numbers digit by digit."""
    value = parse_json(b'{"b": 12345678901234567890.10, "a": "<&>\\u2028\\u0001", "c": []}')
    assert (
        go_json(value, html=True) == b'{"a":"\\u003c\\u0026\\u003e\\u2028\\u0001","b":12345678901234567890.10,"c":[]}'
    )
    assert go_json(value, html=False).startswith(b'{"a":"<&>\\u2028\\u0001"')


@pytest.mark.parametrize("text", [b"NaN", b"[Infinity]", b"[" * 100_000, b"{"])
def test_what_is_no_json_is_an_error(text):
    """Neither constants that JSON does not have, nor depth without end."""
    with pytest.raises(ValueError):
        parse_json(text)


def test_values_are_in_no_repr():
    """What is logged by mistake shows no value."""
    assert "literal" not in repr(DOCUMENT)
    assert fields_of(b"null") is None
