"""Everything that the programs under test have said in a run, by where: searched at its end for what was planted."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from support.api import Api, ApiError
from support.leaks import Search

from gateway.audit.reader import open_reader
from gateway.core.errors import AuditError

LOGS, METRICS, AUDIT, EVENTS, OBJECTS = "logs", "metrics", "audit records", "events", "objects"
PLACES = (LOGS, METRICS, AUDIT, EVENTS, OBJECTS)
_ADDRESS = re.compile(r"sha256:[0-9a-f]{64}")


class Said:
    """Texts by place. The same text twice is kept once."""

    def __init__(self) -> None:
        self._texts: dict[str, dict[str, None]] = defaultdict(dict)

    def add(self, place: str, text: str) -> None:
        """What was said in a place."""
        self._texts[place][text] = None

    def leaks(self, values: Iterable[str]) -> dict[str, list[str]]:
        """The fragments of ``values`` that were said, by place; nothing is the only good answer."""
        search = Search(values)
        found = {place: {one for text in texts for one in search.leaks(text)} for place, texts in self._texts.items()}
        return {place: sorted(fragments) for place, fragments in found.items() if fragments}

    def process(self, log: Path, state: Path) -> None:
        """What a program has logged so far, and what its audit log holds, with the bodies that were kept."""
        if log.exists():
            self.add(LOGS, log.read_text(errors="replace"))
        if not state.is_dir():
            return
        try:
            with open_reader(state) as reader:
                for _, envelope, _ in reader.records():
                    self.add(AUDIT, envelope)
                    for address in _ADDRESS.findall(envelope):
                        body = reader.body(address)
                        if body is not None:
                            self.add(AUDIT, body.decode(errors="replace"))
        except AuditError:
            return  # none was written

    def namespace(self, api: Api, namespace: str, kinds: Iterable[tuple[str, str]]) -> None:
        """The events in a namespace, and the objects of these kinds, conditions and all."""
        for event in api.list("v1", "Event", namespace):
            self.add(EVENTS, json.dumps(event))
        for kind in kinds:
            self.objects(api, *kind, namespace)

    def objects(self, api: Api, api_version: str, kind: str, namespace: str = "") -> None:
        """The objects of a kind, where it is known."""
        try:
            found: list[dict[str, Any]] = api.list(api_version, kind, namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            return
        for one in found:
            self.add(OBJECTS, json.dumps(one))


SAID = Said()
"""By the programs of this process's tests."""
