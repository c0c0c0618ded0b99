"""tofu-controller: what it keeps for a Terraform object: outputs, and plans.

Outputs are Secrets that the Terraform object controls. Plans are Secrets, and ConfigMaps for people to read, that it owns and does
not control: they say which plan was saved. What the runner wrote is an output that others read, a plan that it will apply, or
what people approve by. Nothing copies an owner. State Secrets of Terraform's own backend have no owner, and are not
recognised.
Sources: tofu-controller ``runner/server_outputs.go``, ``runner/server_save_tfplan.go``, ``api/plan/plan.go``,
``api/v1alpha2/terraform_types.go``, ``charts/tofu-controller``.
"""

from __future__ import annotations

from gateway.config.drift import Writer
from gateway.config.reconcilers import Actors, TofuController
from gateway.core.subject import Json, Subject
from webhooks.drift.facts import Owner, OwnerRef, Source
from webhooks.drift.fields import FieldsV1
from webhooks.drift.managed import Entry, controller_of, metadata, owners, reference_path, string_map
from webhooks.drift.paths import ANNOTATIONS, LABELS, Path
from webhooks.drift.reconcilers.base import Defaults
from webhooks.drift.reconcilers.records import Record, section, service_account, text

GROUP = "infra.contrib.fluxcd.io"
SAVED_PLAN = "savedPlan"
_PLAN_LABELS = (f"{GROUP}/plan-name", f"{GROUP}/plan-workspace")
_PLAN_ANNOTATIONS = (SAVED_PLAN, f"{GROUP}/plan-hash", f"{GROUP}/plan-chunk")
_KINDS = {"Secret", "ConfigMap"}


class TofuReconciler(Defaults):
    """tofu-controller and its runners."""

    id = "tofu-controller"
    section = "tofuController"
    title = "Terraform"
    marks = (GROUP,)

    def __init__(self, config: TofuController) -> None:
        self.mode = config.mode
        self.actors = config.actors
        self.managers: frozenset[str] = frozenset()
        self._account = config.default_service_account

    def claim(self, obj: Json, subject: Subject, listed: list[Entry]) -> OwnerRef | None:  # noqa: ARG002 - the protocol's
        """By the Terraform object that controls it, or owns it as a plan."""
        if subject.kind.group or subject.kind.kind not in _KINDS:
            return None
        if subject.kind.kind != "Secret" and not _is_plan(obj):
            return None
        reference = _reference(obj)
        return OwnerRef(self.id, subject.namespace, text(reference.get("name"))) if reference else None

    def claim_on_create(self, obj: Json, subject: Subject) -> OwnerRef | None:
        """In the same way."""
        return self.claim(obj, subject, [])

    def tracking(self, owner: OwnerRef, obj: Json) -> tuple[Path, ...]:  # noqa: ARG002 - the protocol's
        """What says of an output or a plan whose it is, and of a plan which, and of which digest."""
        reference = _reference(obj)
        labels = ((*LABELS, f"f:{name}") for name in _PLAN_LABELS)
        annotations = ((*ANNOTATIONS, f"f:{name}") for name in _PLAN_ANNOTATIONS)
        return (*labels, *annotations, *((reference_path(reference),) if reference else ()))

    def stated(self, obj: Json) -> tuple[tuple[str, FieldsV1], ...]:
        """All data that is there, key by key."""
        data: FieldsV1 = {f"f:{name}": {} for name in section(obj, "data")}
        kept = {"f:data": data, **({"f:type": {}} if obj.get("type") else {})}
        return ((str(obj.get("apiVersion", "")), kept),)

    def default_accounts(self, owner: OwnerRef) -> frozenset[str]:
        """The runner's account, in the Terraform object's namespace."""
        return service_account(owner.namespace, self._account)

    def remedy(self, owner: OwnerRef, source: Source) -> str:  # noqa: ARG002 - the protocol's
        """Let the controller write it."""
        return f"Change the configuration of Terraform {owner.namespace}/{owner.name} in Git: its runner writes this."


def _is_plan(obj: Json) -> bool:
    return not controller_of(obj) and bool(string_map(obj, "annotations").get(SAVED_PLAN))


def _reference(obj: Json) -> Json:
    """To the Terraform object that the object is recognised by; empty if there is none."""
    listed = owners(obj) if _is_plan(obj) else [controller_of(obj)]
    return next(filter(_is_terraform, listed), {})


def _is_terraform(reference: Json) -> bool:
    group, _, _ = text(reference.get("apiVersion")).rpartition("/")
    return group == GROUP and reference.get("kind") == "Terraform"


def terraform(obj: Json) -> Record:
    """A Terraform object (``infra.contrib.fluxcd.io/v1alpha2``)."""
    meta, spec = metadata(obj), section(obj, "spec")
    namespace = text(meta.get("namespace"))
    return Record(
        ref=OwnerRef("tofu-controller", namespace, text(meta.get("name"))),
        owner=Owner(
            accounts=service_account(namespace, text(spec.get("serviceAccountName"))),
            paused="spec.suspend: true" if spec.get("suspend") is True else "",
        ),
    )


def approvers(config: TofuController) -> tuple[Writer, ...]:
    """Who may approve a plan by hand where Git declares ``spec.approvePlan``: nobody, unless they are named."""
    if config.approvers == Actors():
        return ()
    kind = f"Terraform.{GROUP}"
    return (Writer(name="approve-plan", actors=config.approvers, kinds=(kind,), fields=("spec.approvePlan",)),)
