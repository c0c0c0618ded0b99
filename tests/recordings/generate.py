"""Records the admission reviews of all scenes from a real API server.

    PYTHONPATH=tests python -m recordings.generate     rewrites gateway/cli/demo_reviews.jsonl

One JSON object a line: ``scene``, ``title``, ``who``, ``review``. What a guard should say of it is not in there.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recordings.normalise import normalise
from recordings.recorder import Recorder, recording
from recordings.scenes import SCENES
from recordings.stage import Scene, Stage
from support.cluster import Cluster, wait_for
from support.crds import ARGO_CD, FLUX
from support.users import ROOT, USERS

Json = dict[str, Any]

TARGET = Path(__file__).resolve().parents[2] / "gateway" / "cli" / "demo_reviews.jsonl"
_KEPT_UIDS = tuple(user.uid for user in USERS)


def record(cluster: Cluster, directory: Path) -> Iterator[Json]:
    """Play every scene on a cluster that has the CRDs and the controllers; yields a recording for each."""
    with recording(cluster, directory) as recorder:
        played = [(scene, *_set_up(scene, cluster, index)) for index, scene in enumerate(SCENES, start=1)]
        # Times are whole seconds: what happens from here on is told apart from the setting up.
        time.sleep(1.1)
        for number, (scene, stage, play) in enumerate(played, start=1):
            yield _act(number, scene, stage, play, recorder)
        root = cluster.api(ROOT)
        for _, stage, _ in played:
            root.delete(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": stage.namespace}}, missing_ok=True
            )


def _set_up(scene: Scene, cluster: Cluster, index: int) -> tuple[Stage, Iterator[None]]:
    namespace = f"scene-{index:02d}"
    stage = Stage(cluster, namespace, [(namespace, scene.namespace)])
    cluster.api(ROOT).create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    play = scene.play(stage)
    next(play)
    return stage, play


def _act(number: int, scene: Scene, stage: Stage, play: Iterator[None], recorder: Recorder) -> Json:
    recorder.clear()
    next(play, None)

    def fitting() -> list[Json]:
        return [r for r in recorder.reviews() if scene.expected.fits(r["request"], stage.namespace)]

    wait_for(fitting, seconds=60)
    reviews = fitting()
    assert len(reviews) == 1, f"{scene.name}: {len(reviews)} requests fit"
    review = normalise(reviews[0], number=number, replace=stage.replacements, keep=_KEPT_UIDS)
    who = review["request"]["userInfo"]["username"]
    return {"scene": scene.name, "title": scene.title, "who": who, "review": review}


def to_line(recorded: Json) -> str:
    """One line of the file."""
    return json.dumps(recorded, separators=(",", ":"), ensure_ascii=False) + "\n"


def main() -> None:
    """Start a cluster, play all scenes, write the file at once."""
    with tempfile.TemporaryDirectory(prefix="govgate-recordings-") as directory:
        cluster = Cluster(Path(directory))
        try:
            cluster.start()
            cluster.install((*FLUX, *ARGO_CD))
            cluster.start_controllers()
            lines = [to_line(recorded) for recorded in record(cluster, Path(directory))]
        finally:
            cluster.stop()
    scratch = TARGET.with_suffix(".new")
    scratch.write_text("".join(lines), encoding="utf-8")
    scratch.replace(TARGET)
    print(f"{TARGET.name}: {len(lines)} scenes, {TARGET.stat().st_size:,} bytes")  # noqa: T201 - its only output


if __name__ == "__main__":
    main()
