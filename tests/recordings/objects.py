"""The manifests of the scenes, as they would lie in Git."""

from __future__ import annotations

import base64
from typing import Any

Json = dict[str, Any]

FLUX = {"kustomize.toolkit.fluxcd.io/name": "web", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
HELM = {"helm.toolkit.fluxcd.io/name": "cache", "helm.toolkit.fluxcd.io/namespace": "data"}
APP = {"app.kubernetes.io/name": "api", "app.kubernetes.io/part-of": "storefront"}
SELECTOR = {"app.kubernetes.io/name": "api"}


def labelled(item: Json, labels: dict[str, str]) -> Json:
    """The same object with more labels, as a reconciler adds its own."""
    metadata = item["metadata"]
    return {**item, "metadata": {**metadata, "labels": {**metadata.get("labels", {}), **labels}}}


def tracked(item: Json, app: str) -> Json:
    """The same object with Argo CD's tracking annotation, which names the object itself."""
    metadata = item["metadata"]
    group = item["apiVersion"].rpartition("/")[0]
    own_id = f"{app}:{group}/{item['kind']}:{metadata['namespace']}/{metadata['name']}"
    annotations = {**metadata.get("annotations", {}), "argocd.argoproj.io/tracking-id": own_id}
    return {**item, "metadata": {**metadata, "annotations": annotations}}


def deployment(namespace: str, name: str = "api", *, image: str = "1.4.2", replicas: int | None = 3) -> Json:
    """A workload with some thirty declared fields. ``replicas`` None leaves them to an autoscaler."""
    api = {
        "name": "api",
        "image": f"registry.example.com/storefront/api:{image}",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "api-credentials", "key": "password"}}},
        ],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": "settings", "mountPath": "/etc/api", "readOnly": True}],
    }
    template = {
        "metadata": {"labels": dict(APP)},
        "spec": {
            "containers": [api],
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532},
            "volumes": [{"name": "settings", "configMap": {"name": "api-settings"}}],
        },
    }
    spec: Json = {"selector": {"matchLabels": dict(SELECTOR)}, "revisionHistoryLimit": 3, "template": template}
    if replicas is not None:
        spec["replicas"] = replicas
    return _item("apps/v1", "Deployment", namespace, name, labels=dict(APP), spec=spec)


def service(namespace: str, name: str = "api") -> Json:
    ports = [
        {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"},
        {"name": "metrics", "port": 9090, "targetPort": 9090, "protocol": "TCP"},
    ]
    spec = {"selector": dict(SELECTOR), "ports": ports, "type": "ClusterIP", "clusterIP": "None"}
    return _item("v1", "Service", namespace, name, labels=dict(APP), spec=spec)


def config_map(namespace: str, name: str = "api-settings", **data: str) -> Json:
    settings = data or {"feature.checkout": "on", "greeting": "hello"}
    return _item("v1", "ConfigMap", namespace, name, labels=dict(APP), data=settings)


def secret(namespace: str, name: str = "api-credentials") -> Json:
    """Nobody's password."""
    data = {"password": encoded("not-a-real-password"), "username": encoded("api")}
    return _item("v1", "Secret", namespace, name, labels=dict(APP), type="Opaque", data=data)


def autoscaler(namespace: str, name: str = "api") -> Json:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    spec = {
        "scaleTargetRef": target,
        "minReplicas": 2,
        "maxReplicas": 10,
        "metrics": [{"type": "Resource", "resource": cpu}],
    }
    return _item("autoscaling/v2", "HorizontalPodAutoscaler", namespace, name, labels=dict(APP), spec=spec)


def pod(namespace: str, name: str = "migrate") -> Json:
    container = {"name": "migrate", "image": "registry.example.com/storefront/migrate:7", "args": ["up"]}
    spec = {"containers": [container], "restartPolicy": "Never"}
    return _item("v1", "Pod", namespace, name, labels=dict(APP), spec=spec)


def job(namespace: str, name: str = "report") -> Json:
    container = {"name": "report", "image": "registry.example.com/storefront/report:2"}
    template = {"spec": {"containers": [container], "restartPolicy": "Never"}}
    spec = {"template": template, "ttlSecondsAfterFinished": 60, "suspend": True}
    return _item("batch/v1", "Job", namespace, name, labels=dict(APP), spec=spec)


def replica_set(owner: Json, name: str) -> Json:
    """As the deployment controller makes it: the Deployment's annotations and pod labels are copied."""
    metadata = owner["metadata"]
    reference = {
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"],
        "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip
    made = _item("apps/v1", "ReplicaSet", metadata["namespace"], name, labels=dict(APP))
    copied = {k: v for k, v in metadata.get("annotations", {}).items() if not k.endswith("last-applied-configuration")}
    made["metadata"] |= {"ownerReferences": [reference], "annotations": copied}
    made["spec"] = {key: owner["spec"][key] for key in ("replicas", "selector", "template")}
    return made


def endpoint_slice(owner: Json, name: str) -> Json:
    """As the EndpointSlice controller makes it: the Service's labels are copied, Flux's too."""
    metadata = owner["metadata"]
    reference = {
        "apiVersion": "v1", "kind": "Service", "name": metadata["name"], "uid": metadata["uid"],
        "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip
    labels = {**metadata["labels"], "kubernetes.io/service-name": metadata["name"]}
    made = _item("discovery.k8s.io/v1", "EndpointSlice", metadata["namespace"], name, labels=labels)
    made["metadata"]["ownerReferences"] = [reference]
    return {**made, "addressType": "IPv4", "endpoints": [], "ports": []}


def cluster_role(name: str, **fields: Any) -> Json:
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, **fields}


def widget_crd(group: str) -> Json:
    """A CRD whose conversion webhook's certificate is injected by cert-manager."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    endpoint = {"service": {"name": "widgets", "namespace": "widgets", "path": "/convert"}}
    conversion = {"conversionReviewVersions": ["v1"], "clientConfig": endpoint}
    name = f"widgets.{group}"
    annotations = {"cert-manager.io/inject-ca-from": "widgets/widgets"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "labels": dict(FLUX), "annotations": annotations},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
            "conversion": {"strategy": "Webhook", "webhook": conversion},
        },
    }


def kustomization(namespace: str, name: str = "web") -> Json:
    spec = {
        "interval": "10m",
        "path": "./apps/web",
        "prune": True,
        "sourceRef": {"kind": "GitRepository", "name": "fleet"},
    }
    return _item("kustomize.toolkit.fluxcd.io/v1", "Kustomization", namespace, name, spec=spec)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _item(api_version: str, kind: str, namespace: str, name: str, *, labels: Json | None = None, **fields: Any) -> Json:
    metadata: Json = {"name": name, "namespace": namespace} | ({"labels": labels} if labels else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}
