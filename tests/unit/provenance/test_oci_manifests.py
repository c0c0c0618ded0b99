"""Manifests and indexes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.provenance.oci.errors import MalformedError
from gateway.provenance.oci.manifest import OCI_INDEX, OCI_MANIFEST, parse_listing, parse_manifest

ENTRY = {"mediaType": "application/x", "digest": "sha256:" + "0" * 64, "size": 1}
IMAGE: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": ENTRY, "layers": [ENTRY]}
INDEX: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [ENTRY]}


def parsed(document: Any, content_type: str = "") -> Any:
    return parse_manifest(json.dumps(document).encode(), content_type=content_type, what="it")


def test_an_image_and_an_index_are_told_apart() -> None:
    """By what they say themselves; without a media type, by that of the answer, and by what they hold."""
    assert parsed(IMAGE).kind == "application/x"
    assert parsed({**IMAGE, "artifactType": "application/y"}).kind == "application/y"
    assert parsed(INDEX).is_index
    bare = {name: value for name, value in INDEX.items() if name != "mediaType"}
    assert parsed(bare, f"{OCI_INDEX}; charset=utf-8").is_index
    assert parsed(bare).is_index


@pytest.mark.parametrize(
    "document",
    [
        [], "x", {}, {"schemaVersion": 1}, {**IMAGE, "schemaVersion": 1}, {**IMAGE, "mediaType": "text/plain"},
        {**IMAGE, "manifests": []}, {**INDEX, "layers": []}, {**INDEX, "config": ENTRY}, {**IMAGE, "mediaType": OCI_INDEX},
        {**IMAGE, "layers": [{**ENTRY, "digest": "sha256:xyz"}]}, {**IMAGE, "layers": [{**ENTRY, "size": -1}]},
        {**IMAGE, "layers": [{**ENTRY, "digest": "../../x"}]}, {**INDEX, "manifests": [{**ENTRY, "size": "1"}]},
        {"schemaVersion": 2, "mediaType": OCI_INDEX},
    ],
)  # fmt: skip
def test_what_is_no_manifest_is_refused(document: Any) -> None:
    """Among it what one reader would take for an image and another for an index."""
    with pytest.raises(MalformedError):
        parsed(document)


def test_a_registry_can_not_call_it_something_else() -> None:
    """The type of the answer must be that of the body."""
    with pytest.raises(MalformedError, match="calls itself"):
        parsed(IMAGE, OCI_INDEX)


def test_what_a_manifest_says_is_shown_short() -> None:
    """A message holds at most 200 characters of it, and nothing that a terminal would obey."""
    for document in ({**IMAGE, "mediaType": "\x1b[31m" + "M" * 3_000_000}, {**IMAGE, "schemaVersion": "\x1b" * 1000}):
        with pytest.raises(MalformedError) as raised:
            parsed(document)
        assert len(str(raised.value)) < 300
        assert "\x1b" not in str(raised.value)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_our_error(data: bytes) -> None:
    """Nothing of a library leaks."""
    with pytest.raises(MalformedError):
        parse_manifest(data, what="it")
    with pytest.raises(MalformedError):
        parse_listing(data, what="it")
