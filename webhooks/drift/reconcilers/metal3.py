"""Metal³ with Cluster API: BareMetalHosts that a Metal3Machine consumes.

What CAPM3 has chosen for a host (image, user data, consumer) is changed through its machine; what the host is known by
(BMC, boot MAC address, root device hints) is changed by nobody while it is in use. CAPM3 itself is a built-in writer of
its own fields alone.
Sources: baremetal-operator ``apis/metal3.io/v1alpha1/baremetalhost_types.go``; cluster-api-provider-metal3
``baremetal/metal3machine_manager.go``.
"""

from __future__ import annotations

from gateway.config.reconcilers import Metal3
from gateway.core.subject import Json, Subject
from webhooks.drift.facts import OwnerRef, Source
from webhooks.drift.fields import FieldsV1
from webhooks.drift.managed import Entry
from webhooks.drift.reconcilers.base import Defaults
from webhooks.drift.reconcilers.records import section, text

_REFERENCE = ("name", "namespace")
_HINTS = ("deviceName", "hctl", "model", "vendor", "serialNumber", "minSizeGigabytes", "wwn", "wwnWithExtension")
_CHOSEN: dict[str, tuple[str, ...]] = {
    "image": ("url", "checksum", "checksumType", "format"),
    "customDeploy": ("method",),
    "userData": _REFERENCE,
    "metaData": _REFERENCE,
    "networkData": _REFERENCE,
    "automatedCleaningMode": (),
    "online": (),
    "consumerRef": ("apiVersion", "kind", "uid", *_REFERENCE),
}
_IDENTITY: dict[str, tuple[str, ...]] = {
    "bmc": ("address", "credentialsName", "disableCertificateVerification"),
    "bootMACAddress": (),
    "rootDeviceHints": (*_HINTS, "wwnVendorExtension", "rotational"),
}
_PROTECTED: FieldsV1 = {
    "f:spec": {f"f:{name}": {f"f:{below}": {} for below in inside} for name, inside in (_CHOSEN | _IDENTITY).items()}
}
"""Down to each field: a map that is declared whole may be filled where somebody owns a part of it."""


class Metal3Reconciler(Defaults):
    """CAPM3, by the consumer that a host names."""

    id = "metal3"
    section = "metal3"
    title = "Metal³ machine"
    marks = ("Metal3Machine",)

    def __init__(self, config: Metal3) -> None:
        self.mode = config.mode
        self.actors = config.actors
        self.managers: frozenset[str] = frozenset()

    def claim(self, obj: Json, subject: Subject, listed: list[Entry]) -> OwnerRef | None:  # noqa: ARG002 - the protocol's
        """By ``spec.consumerRef``; a new host is nobody's (a cluster that is moved brings its hosts along)."""
        if subject.kind.kind != "BareMetalHost" or subject.kind.group != "metal3.io":
            return None
        consumer = section(obj, "spec", "consumerRef")
        if consumer.get("kind") != "Metal3Machine" or not text(consumer.get("name")):
            return None
        return OwnerRef(self.id, text(consumer.get("namespace")) or subject.namespace, text(consumer.get("name")))

    def stated(self, obj: Json) -> tuple[tuple[str, FieldsV1], ...]:
        """What CAPM3 chose, and what the host is known by: set or not, nobody else sets it."""
        return ((str(obj.get("apiVersion", "")), _PROTECTED),)

    def remedy(self, owner: OwnerRef, source: Source) -> str:  # noqa: ARG002 - the protocol's
        """Change the machine, or take the host out of use first."""
        return (
            f"Change the machine's template in Git and replace Metal3Machine {owner.namespace}/{owner.name}; a host's own "
            "identity is changed once it is no longer in use."
        )
