"""Canonical JSON, ids and digests: stable, and the same as another implementation's."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.canonical import NotCanonicalError, canonical_json, sha256_digest
from gateway.core.finding import Resource, finding_id

keys = st.text(st.characters(max_codepoint=127), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_canonical_json_is_rfc_8785(value: Any) -> None:
    """For every value that is accepted, the bytes are those of the rfc8785 package."""
    assert canonical_json(value) == rfc8785.dumps(value)


@given(st.dictionaries(keys, values, max_size=5))
def test_the_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    """However a map was built, it has one form."""
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


@pytest.mark.parametrize(
    "value",
    [1.5, 1.0, float("nan"), 2**53 + 1, -(2**53) - 1, {"é": 1}, {1: 1}, {"a": [{"b": 0.1}]}, b"x", {"a"}, object()],
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    """Floats, large integers, keys that sort otherwise in UTF-16, and what JSON does not have."""
    with pytest.raises(NotCanonicalError):
        canonical_json(value)


def test_tuples_are_lists_and_the_bounds_are_in() -> None:
    """What msgspec writes as a list is one; 2^53 itself is exact."""
    assert canonical_json(({"b": 2**53, "a": (True, None)},)) == b'[{"a":[true,null],"b":9007199254740992}]'


def test_a_digest_names_its_algorithm() -> None:
    """As in OCI and the command line contract."""
    assert sha256_digest(b"abc") == "sha256:" + hashlib.sha256(b"abc").hexdigest()


RESOURCE = Resource("apps/v1", "Deployment", "web", "api")


def test_finding_ids_are_stable() -> None:
    """Baselines and SARIF fingerprints hold them: this very id must never change."""
    assert finding_id("drift/owned-field", RESOURCE, "spec.replicas") == "f-79d13a7feb747396"


def test_finding_ids_outlive_api_versions() -> None:
    """The group counts, the version does not."""
    first = finding_id("r", RESOURCE, "f")
    assert finding_id("r", Resource("apps/v1beta2", "Deployment", "web", "api"), "f") == first
    assert finding_id("r", Resource("batch/v1", "Deployment", "web", "api"), "f") != first
    assert finding_id("r", Resource("v1", "Deployment", "web", "api"), "f") != first


@given(st.lists(st.text(max_size=4), min_size=5, max_size=5), st.lists(st.text(max_size=4), min_size=5, max_size=5))
def test_finding_ids_tell_findings_apart(one: list[str], other: list[str]) -> None:
    """No two different findings share an id by running parts together."""

    def identify(parts: list[str]) -> str:
        return finding_id(parts[0], Resource("v1", *parts[1:4]), parts[4])

    assert (identify(one) == identify(other)) is (one == other)
