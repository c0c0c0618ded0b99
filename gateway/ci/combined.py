"""All documents of a run as one input, as ``conftest --combine`` has it: a list of ``{path, contents}`` in order of paths."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

import msgspec

from gateway.ci.manifests import Manifest
from gateway.ci.structured import KIND, Document, locate
from gateway.ci.suppressions import Suppression
from gateway.core.errors import GovgateError
from gateway.core.finding import Finding, finding_id
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from policies.builtin import resource_of
from policies.rule import Asked

MAX_BYTES = 64 * 1024 * 1024
"""Of all documents together: they are in memory at once."""

_PART = re.compile(r"\[(\d+)\](?:\.contents\.?(.*))?\Z", re.DOTALL)

Part = Manifest | Document


class Combined:
    """What was read so far."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._bytes = 0
        self.suppressions: dict[str, Sequence[Suppression]] = {}

    def add(self, parts: Sequence[Part], suppressions: Mapping[str, Sequence[Suppression]]) -> None:
        """Take the documents of a batch, and the suppressions in their files.

        Raises:
            GovgateError: they are too large together.
        """
        self._parts += parts
        self._bytes += sum(len(part.subject.raw_object) for part in parts)
        if self._bytes > MAX_BYTES:
            raise GovgateError(f"--combine: the documents have more than {MAX_BYTES} bytes together")
        self.suppressions.update(suppressions)

    @cached_property
    def subject(self) -> Subject:
        """The list of all, in order of paths; nothing is added after it was asked for."""
        self._parts.sort(key=lambda part: part.path)
        contents = ({"path": part.path, "contents": msgspec.Raw(part.subject.raw_object)} for part in self._parts)
        return Subject(
            uid="",
            operation="CREATE",
            kind=GroupVersionKind(kind=KIND),
            resource=GroupVersionResource(),
            user=UserInfo(),
            name="Combined",
            raw_object=msgspec.json.encode(list(contents)),
        )

    def attributed(self, findings: Sequence[Finding]) -> list[Finding]:
        """The findings, each whose field leads into a part (``[3].contents.a``) about that, with its place."""
        found = list(findings)
        inside = [(index, *at) for index, one in enumerate(found) if (at := self._part(one)) is not None]
        places = iter(locate([(part, [field]) for _, part, field in inside if isinstance(part, Document)]))
        for index, part, field in inside:
            (place,) = part.locations([field]) if isinstance(part, Manifest) else next(places)
            about, rule = resource_of(Asked(part.subject)), found[index].rule
            found[index] = msgspec.structs.replace(
                found[index], id=finding_id(rule, about, field), resource=about, field=field, location=place
            )
        return found

    def _part(self, finding: Finding) -> tuple[Part, str] | None:
        match = _PART.match(finding.field)
        if match is None or int(match[1]) >= len(self._parts):
            return None
        return self._parts[int(match[1])], match[2] or ""
