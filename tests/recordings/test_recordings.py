"""The recordings that demo and tests use are what the pinned API server sends."""

from __future__ import annotations

import json

import pytest
from recordings.generate import TARGET, record, to_line
from recordings.scenes import SCENES
from support.cluster import Cluster

from webhooks.review import decode_review


def test_recordings_are_complete():
    """Every scene is on file, in order, and each is a request that the gateway can read."""
    recorded = [json.loads(line) for line in TARGET.read_text(encoding="utf-8").splitlines()]
    assert [entry["scene"] for entry in recorded] == [scene.name for scene in SCENES]
    subjects = [decode_review(json.dumps(entry["review"]).encode()) for entry in recorded]
    assert len({subject.uid for subject in subjects}) == len(subjects)


@pytest.mark.timeout(300)
def test_recordings_are_what_the_api_server_sends(controllers: Cluster, tmp_path):
    """Played again, every scene gives the same request but for UIDs, times and versions: `make recordings` if not."""
    on_file = TARGET.read_text(encoding="utf-8").splitlines(keepends=True)
    again = [to_line(entry) for entry in record(controllers, tmp_path)]
    differing = [scene.name for scene, old, new in zip(SCENES, on_file, again, strict=True) if old != new]
    assert differing == []
