"""All scenes, in the order of the recording."""

from __future__ import annotations

from recordings import scenes_argo, scenes_cluster, scenes_flux, scenes_others, scenes_people
from recordings.stage import Scene

SCENES: tuple[Scene, ...] = (
    *scenes_flux.SCENES,
    *scenes_people.SCENES,
    *scenes_argo.SCENES,
    *scenes_cluster.SCENES,
    *scenes_others.SCENES,
)

assert len({scene.name for scene in SCENES}) == len(SCENES)
