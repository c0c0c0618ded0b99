"""Ranges of versions, as the Go programs that resolve them read them: ``Masterminds/semver``, with each program's own rules
about which tags are versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from gateway.native.library import call

Rules = Literal["flux", "flux-chart", "argocd", "argocd-chart"]
"""Flux's OCIRepository, Flux's charts (Helm's reading of tags), Argo CD's artifacts, Argo CD's charts."""


class _Question(msgspec.Struct, frozen=True):
    range: str
    tags: Sequence[str]
    rules: Rules
    filter: str


def newest(text: str, tags: Sequence[str], *, rules: Rules, only: str = "") -> list[str]:
    """The tags of the newest version in a range; none if no tag is in it.

    They are several where versions are equal by precedence: ``1.2.3`` and ``v1.2.3``, or with other build metadata. What is
    no range by the rules (a version for Argo CD, a tag of that name) is its own answer.

    Args:
        text: the range, such as ``>=1.2 <2``.
        tags: those of the repository.
        rules: whose.
        only: a pattern (RE2) that the tags must contain.

    Raises:
        NativeError: the range (code ``range``) or the pattern (``filter``) cannot be read.
        NativeMissingError: there is no native library.
    """
    answer = call("semver.newest", msgspec.json.encode(_Question(text, tags, rules, only)))
    return msgspec.json.decode(answer, type=list[str])
