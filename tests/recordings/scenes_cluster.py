"""What Kubernetes' own controllers, and those that are installed for the purpose, do to managed objects."""

from __future__ import annotations

from recordings import objects
from recordings.objects import config_map, deployment, labelled
from recordings.stage import Expected, Scene, Stage
from support.users import (
    ALICE,
    AUTOSCALER,
    CERT_INJECTOR,
    DEPLOYMENT_CONTROLLER,
    ENDPOINT_SLICE_CONTROLLER,
    JOB_CLEANER,
    ROOT,
)


def _garbage(stage: Stage):
    owner = stage.api(ALICE).create(config_map(stage.namespace, "owner"))
    owned = stage.flux(config_map(stage.namespace))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    stage.api(ROOT).patch(owned, {"metadata": {"ownerReferences": [reference]}})
    yield
    stage.api(ALICE).delete(owner)


def _namespace_ends(stage: Stage):
    stage.flux(config_map(stage.namespace))
    yield
    stage.kubectl(ALICE, "delete", "namespace", stage.namespace, "--wait=false")


def _autoscaled(stage: Stage):
    made = stage.flux(deployment(stage.namespace, replicas=None))
    yield
    stage.api(AUTOSCALER).scale(made, 7)


def _status(stage: Stage):
    made = stage.flux(deployment(stage.namespace))
    yield
    made["status"] = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "unavailableReplicas": 3}
    stage.api(DEPLOYMENT_CONTROLLER).replace(made, manager="kube-controller-manager", subresource="status")


def _revision(stage: Stage):
    made = stage.flux(deployment(stage.namespace))
    yield
    made["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "1"}
    stage.api(DEPLOYMENT_CONTROLLER).replace(made, manager="kube-controller-manager")


def _endpoints(stage: Stage):
    owner = stage.flux(objects.service(stage.namespace))
    yield
    made = objects.endpoint_slice(owner, "api-x7k2p")
    stage.api(ENDPOINT_SLICE_CONTROLLER).create(made, manager="kube-controller-manager")


def _finished_job(stage: Stage):
    made = stage.flux(objects.job(stage.namespace))
    yield
    stage.api(JOB_CLEANER).delete(made)


def _aggregated_role(stage: Stage):
    aggregate = f"{stage.namespace}-viewers"
    stage.replacements.insert(0, (aggregate, "storefront-viewers"))
    selector = {"matchLabels": {f"example.com/{aggregate}": "true"}}
    rule = {"clusterRoleSelectors": [selector]}
    stage.flux(objects.cluster_role(aggregate, aggregationRule=rule))
    yield
    part = objects.cluster_role(
        f"{stage.namespace}-part", rules=[{"apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["get"]}]
    )
    stage.flux(labelled(part, {f"example.com/{aggregate}": "true"}))


def _certificate(stage: Stage):
    group = f"{stage.namespace}.example.com"
    stage.replacements.insert(0, (group, "example.com"))
    stage.replacements.append((stage.cluster.ca_bundle, objects.encoded("a certificate, in PEM")))
    made = stage.flux(objects.widget_crd(group))
    yield
    webhook = {"clientConfig": {"caBundle": stage.cluster.ca_bundle}}
    patch = {"spec": {"conversion": {"webhook": webhook}}}
    stage.api(CERT_INJECTOR).patch(made, patch, manager="cert-manager-cainjector")


SCENES = (
    Scene(
        "garbage-collected", "the garbage collector deletes what lost its owner", "web",
        Expected("DELETE", "configmaps", "api-settings", ":generic-garbage-collector"), _garbage,
    ),
    Scene(
        "namespace-deleted", "the namespace ends, and everything in it", "web",
        Expected("DELETE", "configmaps", "api-settings", ":namespace-controller"), _namespace_ends,
    ),
    Scene(
        "autoscaled", "the horizontal pod autoscaler scales", "web",
        Expected("UPDATE", "deployments/scale", "api"), _autoscaled,
    ),
    Scene(
        "status", "the deployment controller reports status", "web",
        Expected("UPDATE", "deployments/status", "api"), _status,
    ),
    Scene(
        "revision", "the deployment controller notes the revision", "web",
        Expected("UPDATE", "deployments", "api"), _revision,
    ),
    Scene(
        "copied-labels", "an EndpointSlice inherits the Service's labels", "web",
        Expected("CREATE", "endpointslices", "api-x7k2p"), _endpoints,
    ),
    Scene(
        "job-finished", "a finished Job is cleaned up", "web", Expected("DELETE", "jobs", "report"), _finished_job,
    ),
    Scene(
        "role-aggregated", "an aggregated ClusterRole gets its rules", "web",
        Expected("UPDATE", "clusterroles", "{namespace}-viewers", ":clusterrole-aggregation-controller"), _aggregated_role,
    ),
    Scene(
        "certificate-injected", "cert-manager injects a CRD's conversion certificate", "web",
        Expected("UPDATE", "customresourcedefinitions", "widgets.{namespace}.example.com", ":cert-manager-cainjector"), _certificate,
    ),
)  # fmt: skip
