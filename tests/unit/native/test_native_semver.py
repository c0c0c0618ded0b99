"""Ranges of versions, by the rules of the programs that resolve them."""

from __future__ import annotations

import pytest

from gateway.core.errors import UndecidedError
from gateway.native.library import NativeError
from gateway.native.semver import Rules, newest
from gateway.provenance.oci.errors import NotFoundError
from gateway.provenance.versions import MAX_EQUAL, Versions, resolve

pytestmark = pytest.mark.native

TAGS = ["1.0.0", "1.2", "1.2.3", "1.10.0", "v1.11.0", "2.0.0-rc.1", "2.0.0", "2.1.0_b7", "latest", "sha256-00.sig"]


@pytest.mark.parametrize(
    ("rules", "text", "tags"),
    [
        # Flux: whole versions, with a v or not; prereleases only where the range names one.
        ("flux", "1.x", ["v1.11.0"]),
        ("flux", "^1.2", ["v1.11.0"]),
        ("flux", "~1.2", ["1.2.3"]),
        ("flux", "<1.11", ["1.10.0"]),
        ("flux", ">=1 <2 || >=2", ["2.0.0"]),
        ("flux", "2.0.0-0 - 2.0.0-z", ["2.0.0-rc.1"]),
        ("flux", "*", ["2.0.0"]),
        ("flux", "1.2.3", ["1.2.3"]),
        ("flux", ">3", []),
        # Flux's charts: as Helm lists them, without a v, with a plus where the tag has an underscore.
        ("flux-chart", "1.x", ["1.10.0"]),
        ("flux-chart", "", ["2.1.0_b7"]),
        ("flux-chart", "*", ["2.1.0_b7"]),
        ("flux-chart", "2.0.x", ["2.0.0"]),
        # Argo CD: versions of fewer parts are versions too; and a version, or a tag, is no range.
        ("argocd", "1.x", ["v1.11.0"]),
        ("argocd", "~1.2", ["1.2.3"]),
        ("argocd", "<1.2.1", ["1.2"]),
        ("argocd", "1.2", ["1.2"]),
        ("argocd", "1.3", ["1.3"]),
        ("argocd", "latest", ["latest"]),
        ("argocd-chart", "2.x", ["2.1.0_b7"]),
        ("argocd-chart", "latest", ["latest"]),
        ("argocd-chart", "1.2", ["1.2"]),
        ("argocd-chart", "", ["2.1.0_b7"]),
    ],
)
def test_the_newest_version_in_a_range_is_found(rules: Rules, text: str, tags: list[str]) -> None:
    """By number, not by letters."""
    assert newest(text, TAGS, rules=rules) == tags


def test_a_tag_that_looks_like_a_range_is_what_each_program_takes_it_for() -> None:
    """Argo CD asks for a tag of that name first where it is an artifact, and never where it is a chart; Flux never."""
    tags = ["1.x", "1.0.0"]
    assert newest("1.x", tags, rules="argocd") == ["1.x"]
    assert newest("1.x", tags, rules="argocd-chart") == ["1.0.0"]
    assert newest("1.x", tags, rules="flux") == ["1.0.0"]
    assert newest("1.x", tags, rules="flux-chart") == ["1.0.0"]


def test_versions_without_an_order_between_them_are_all_told() -> None:
    """Which of them would be fetched depends on the order of a list, and on how it is sorted."""
    assert newest("*", ["1.0.0", "v2.0.0", "2.0.0"], rules="flux") == ["v2.0.0", "2.0.0"]
    assert newest("*", ["2.0.0_b", "2.0.0_a", "1.0.0"], rules="flux-chart") == ["2.0.0_b", "2.0.0_a"]


def test_tags_are_filtered_before() -> None:
    """By a pattern that is searched for."""
    assert newest(">=1-0", ["1.0.0-rc.1", "2.0.0-dev.1"], rules="flux", only="rc") == ["1.0.0-rc.1"]


@pytest.mark.parametrize(
    ("text", "only", "code"),
    [("nonsense", "", "range"), ("", "", "range"), ("*", "(", "filter"), ("*" * 2000, "", "range")],
)
def test_what_is_no_range_is_an_error(text: str, only: str, code: str) -> None:
    """Of Flux as well: nothing would be fetched."""
    with pytest.raises(NativeError) as caught:
        newest(text, ["1.0.0"], rules="flux", only=only)
    assert caught.value.code == code


def test_what_cannot_be_resolved_is_undecided() -> None:
    """A range that nobody can read, one that nothing is in, and too many tags of one version: each says so."""
    with pytest.raises(UndecidedError, match=r"ghcr.io/acme/app: the range nonsense cannot be read"):
        resolve(Versions("nonsense", "flux"), ["1.0.0"], where="ghcr.io/acme/app")
    with pytest.raises(NotFoundError, match=r"none of 1 tags is in the range >=2 \(rc\)"):
        resolve(Versions(">=2", "flux", "rc"), ["1.0.0"], where="ghcr.io/acme/app")
    tags = [f"1.0.0_b{index}" for index in range(MAX_EQUAL + 1)]
    with pytest.raises(UndecidedError, match="remove all but one"):
        resolve(Versions("*", "flux-chart"), tags, where="ghcr.io/acme/app")
    assert len(resolve(Versions("*", "flux-chart"), tags[1:], where="ghcr.io/acme/app")) == MAX_EQUAL
