"""What the detector finds in the labelled set, and what every report of it shows."""

from __future__ import annotations

from functools import cache

import msgspec
import pytest
from support.labelled_set import PARTS, Sample, Score, read_part, score

from gateway.ci.detected import INFOS, Files, findings_of
from gateway.ci.inputs import Content
from gateway.ci.looking import Looked, look
from gateway.ci.report import REPORTERS
from gateway.ci.run import Run
from gateway.core.guard import OnError
from gateway_secrets.detect import Style, in_text

pytestmark = pytest.mark.native

# What was measured when the detector was first whole; the held-out part was not looked at. Of the documented part what is
# found now: at first sight it was 0.94 and 0.84, and the defects that it showed were put right after that.
LEAST = {"tuned": (1.0, 1.0), "held_out": (0.95, 0.95), "documented": (0.97, 0.92)}


def looked_at(samples: list[Sample]) -> list[Looked]:
    return look([Content(sample.path, sample.text.encode()) for sample in samples])


def scored(samples: list[Sample]) -> Score:
    looked = looked_at(samples)
    return score(
        samples, [(s.path, place.line) for s, one in zip(samples, looked, strict=True) for place in one.places]
    )


@pytest.mark.parametrize("part", PARTS)
def test_precision_and_recall(part: str) -> None:
    """The set's secrets are found, in their lines, and little else."""
    result = scored(read_part(part))
    precision, recall = LEAST[part]
    assert round(result.precision, 2) >= precision, result.wrong if part == "tuned" else len(result.wrong)
    assert round(result.recall, 2) >= recall, result.missed if part == "tuned" else len(result.missed)


def test_the_parts_hold_what_they_say() -> None:
    """Both have tens of labels, and more lines that are none."""
    for part in PARTS:
        samples = read_part(part)
        assert sum(label.must for sample in samples for label in sample.labels) >= 75
        assert not any("@{" in sample.text or "~{" in sample.text for sample in samples)


@cache
def whole_run() -> Run:
    """Everything that is found in both parts."""
    run = Run("sha256:0", dict(INFOS), OnError.ALLOW)
    contents = [Content(sample.path, sample.text.encode()) for part in PARTS for sample in read_part(part)]
    for content, one in zip(contents, look(contents), strict=True):
        run.findings += findings_of(content, one, Files())
    return run


@cache
def telling_parts() -> frozenset[str]:
    """Eight characters in a row of every secret of the set, but for those that stand elsewhere: in names, in titles."""
    samples = [sample for part in PARTS for sample in read_part(part)]
    told = msgspec.json.encode([(info.id, info.title) for info in INFOS.values()]).decode()
    for sample in samples:
        text = sample.path + sample.text
        for value in sorted(sample.values, key=len, reverse=True):
            text = text.replace(value, "")
        told += text
    parts = set()
    for address in {value for sample in samples for value in sample.values}:
        value = address.rpartition("/")[2] if address.startswith("https://") else address  # hosts are no secret
        parts |= {value[at : at + 8] for at in range(max(1, len(value) - 7))}
    # The end of a line and the indentation of the next tell nothing: numbers of lines stand so in reports, too.
    return frozenset(part for part in parts if len("".join(part.split())) > 4 and part not in told)


@pytest.mark.parametrize("output", REPORTERS)
def test_no_report_holds_a_value(output: str) -> None:
    """No format shows a secret of the set, nor eight characters of one in a row."""
    report = REPORTERS[output](whole_run())  # type: ignore[index]
    assert len(telling_parts()) > 1000
    assert not [part for part in telling_parts() if part in report]


def test_a_token_as_a_name_is_masked() -> None:
    """A credential that somebody wrote where a name belongs is not shown as one."""
    from support.fake_secrets import make  # noqa: PLC0415

    token = make("github_token", "as a name")
    content = Content("values.yaml", f"users:\n  {token}: admin\n".encode())
    (looked,) = look([content])
    (finding,) = findings_of(content, looked, Files())
    assert finding.rule == "detect/github-token"
    assert token not in msgspec.json.encode(finding).decode()
    assert finding.field == 'users["(masked)"]'


def test_every_made_up_token_is_found_in_any_text() -> None:
    """Each credential of a known form is found in prose, in code and in settings, whatever stands before it."""
    from support.fake_secrets import KINDS, make  # noqa: PLC0415

    formless = {"age_armored", "aws_secret", "base64_32", "certificate", "dockerconfig", "encrypted_key", "hex32", "hex40",
                "hex64", "password", "pgp_message", "sealed", "sealed_small", "sops", "azure_storage_key"}  # fmt: skip
    for kind in sorted(KINDS.keys() - formless):
        value = make(kind, "anywhere")
        for style in Style:
            for before in ("", "see ", "x=", '"', "("):
                hits = in_text(f"first\n{before}{value}\n".encode(), style)
                assert [hit.line for hit in hits] == [2], (kind, style, before)
