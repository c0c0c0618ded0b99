"""The loops that a controller runs."""

from __future__ import annotations

from gateway.controllers.certificates.loop import certificates_loop
from gateway.controllers.cluster_external.loop import cluster_external_loop, cluster_push_loop
from gateway.controllers.external.loop import external_loop
from gateway.controllers.frame import Maker
from gateway.controllers.scan.loop import scan_loop
from gateway.controllers.sealed.loop import sealed_loop
from gateway.controllers.sealed.site import endpoints_loop

MAKERS: tuple[Maker, ...] = (
    certificates_loop,
    scan_loop,
    sealed_loop,
    endpoints_loop,
    external_loop,
    cluster_external_loop,
    cluster_push_loop,
)
