"""Nineteen pod-security templates in Gatekeeper's format, in the way such templates are commonly written, and Pods.

Ours, written for this benchmark: v0 Rego, a helper that gathers all containers, parameters with a schema, exempt images.
"""

from __future__ import annotations

import copy
from typing import Any

Json = dict[str, Any]

_HELPERS = """
input_containers[c] { c := input.review.object.spec.containers[_] }
input_containers[c] { c := input.review.object.spec.initContainers[_] }
input_containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
has_field(object, field) { _ = object[field] }
is_exempt(container) {
  prefix := input.parameters.exemptImages[_]
  startswith(container.image, prefix)
}
"""

_RULES: dict[str, tuple[str, Json]] = {
    "Privileged": (
        """violation[{"msg": msg}] {
  c := input_containers[_]; not is_exempt(c); c.securityContext.privileged
  msg := sprintf("privileged container: %v", [c.name])
}""",
        {},
    ),
    "HostNamespaces": (
        """violation[{"msg": msg}] { shares; msg := sprintf("the pod shares the host's namespaces: %v", [input.review.object.metadata.name]) }
shares { input.review.object.spec.hostPID }
shares { input.review.object.spec.hostIPC }""",
        {},
    ),
    "HostNetworkPorts": (
        """violation[{"msg": msg}] { input.review.object.spec.hostNetwork; not input.parameters.hostNetwork; msg := "host network is not allowed" }
violation[{"msg": msg}] {
  c := input_containers[_]; not is_exempt(c); port := c.ports[_].hostPort
  out_of_range(port); msg := sprintf("host port %v of %v is not allowed", [port, c.name])
}
out_of_range(port) { port < input.parameters.min }
out_of_range(port) { port > input.parameters.max }""",
        {"hostNetwork": False, "min": 8000, "max": 9000},
    ),
    "Capabilities": (
        """violation[{"msg": msg}] {
  c := input_containers[_]; not is_exempt(c); allowed := {a | a := input.parameters.allowedCapabilities[_]}
  added := {a | a := c.securityContext.capabilities.add[_]}
  count(added - allowed) > 0; msg := sprintf("container %v adds capabilities: %v", [c.name, added - allowed])
}
violation[{"msg": msg}] {
  c := input_containers[_]; not is_exempt(c); must := {d | d := input.parameters.requiredDropCapabilities[_]}
  dropped := {d | d := c.securityContext.capabilities.drop[_]}
  count(must - dropped) > 0; not dropped["ALL"]; msg := sprintf("container %v does not drop %v", [c.name, must])
}""",
        {"allowedCapabilities": ["NET_BIND_SERVICE"], "requiredDropCapabilities": ["ALL"]},
    ),
    "PrivilegeEscalation": (
        """violation[{"msg": msg}] {
  c := input_containers[_]; not is_exempt(c); not denied(c)
  msg := sprintf("privilege escalation is allowed for %v", [c.name])
}
denied(c) { c.securityContext.allowPrivilegeEscalation == false }""",
        {},
    ),
    "ReadOnlyRoot": (
        """violation[{"msg": msg}] {
  c := input_containers[_]; not is_exempt(c); not c.securityContext.readOnlyRootFilesystem == true
  msg := sprintf("the root file system of %v can be written", [c.name])
}""",
        {},
    ),
    "ProcMount": (
        """violation[{"msg": msg}] {
  c := input_containers[_]; not is_exempt(c); has_field(c.securityContext, "procMount")
  lower(c.securityContext.procMount) != lower(input.parameters.procMount)
  msg := sprintf("procMount of %v is %v", [c.name, c.securityContext.procMount])
}""",
        {"procMount": "Default"},
    ),
    "Seccomp": (
        """violation[{"msg": msg}] {
  c := input_containers[_]; not is_exempt(c); profile := found(c); not allowed(profile)
  msg := sprintf("seccomp profile %v of %v is not allowed", [profile, c.name])
}
found(c) = out { out := c.securityContext.seccompProfile.type }
found(c) = out { not c.securityContext.seccompProfile.type; out := input.review.object.spec.securityContext.seccompProfile.type }
found(c) = out { not c.securityContext.seccompProfile.type; not input.review.object.spec.securityContext.seccompProfile.type; out := "none" }
allowed(profile) { profile == input.parameters.allowedProfiles[_] }""",
        {"allowedProfiles": ["RuntimeDefault", "Localhost"]},
    ),
    "SELinux": (
        """violation[{"msg": msg}] {
  c := input_containers[_]; not is_exempt(c); options := c.securityContext.seLinuxOptions; not allowed(options)
  msg := sprintf("SELinux options of %v are not allowed: %v", [c.name, options])
}
allowed(options) { one := input.parameters.allowed[_]; one.type == options.type }""",
        {"allowed": [{"type": "container_t"}]},
    ),
    "VolumeTypes": (
        """violation[{"msg": msg}] {
  fields := {f | input.review.object.spec.volumes[_][f]; f != "name"}
  f := fields[_]; not allowed(f); msg := sprintf("volume type %v is not allowed", [f])
}
allowed(f) { f == input.parameters.volumes[_] }""",
        {"volumes": ["configMap", "secret", "emptyDir", "projected", "downwardAPI", "persistentVolumeClaim"]},
    ),
    "HostPath": (
        """violation[{"msg": msg}] {
  volume := input.review.object.spec.volumes[_]; has_field(volume, "hostPath"); not allowed(volume.hostPath.path)
  msg := sprintf("host path %v is not allowed", [volume.hostPath.path])
}
allowed(path) { prefix := input.parameters.allowedHostPaths[_].pathPrefix; startswith(path, prefix) }""",
        {"allowedHostPaths": [{"pathPrefix": "/var/log"}]},
    ),
    "RunAsNonRoot": (
        """violation[{"msg": msg}] {
  c := input_containers[_]; not is_exempt(c); not non_root(c); msg := sprintf("%v may run as root", [c.name])
}
non_root(c) { c.securityContext.runAsNonRoot == true }
non_root(c) { not has_field(c.securityContext, "runAsNonRoot"); input.review.object.spec.securityContext.runAsNonRoot == true }
non_root(c) { c.securityContext.runAsUser > 0 }""",
        {},
    ),
    "Groups": (
        """violation[{"msg": msg}] {
  group := input.review.object.spec.securityContext.fsGroup; not in_range(group)
  msg := sprintf("fsGroup %v is not allowed", [group])
}
in_range(value) { range := input.parameters.ranges[_]; range.min <= value; range.max >= value }""",
        {"ranges": [{"min": 1, "max": 65535}]},
    ),
    "Sysctls": (
        """violation[{"msg": msg}] {
  name := input.review.object.spec.securityContext.sysctls[_].name; not allowed(name)
  msg := sprintf("the sysctl %v is not allowed", [name])
}
allowed(name) { name == input.parameters.allowedSysctls[_] }""",
        {"allowedSysctls": ["net.ipv4.ip_local_port_range"]},
    ),
    "AppArmor": (
        """violation[{"msg": msg}] {
  c := input_containers[_]; not is_exempt(c)
  key := sprintf("container.apparmor.security.beta.kubernetes.io/%v", [c.name])
  profile := input.review.object.metadata.annotations[key]; not allowed(profile)
  msg := sprintf("AppArmor profile %v of %v is not allowed", [profile, c.name])
}
allowed(profile) { profile == input.parameters.allowedProfiles[_] }""",
        {"allowedProfiles": ["runtime/default"]},
    ),
    "ServiceToken": (
        """violation[{"msg": msg}] {
  mounts(input.review.object.spec); msg := sprintf("the token is mounted into %v", [input.review.object.metadata.name])
}
mounts(spec) { spec.automountServiceAccountToken == true }
mounts(spec) { not has_field(spec, "automountServiceAccountToken"); spec.serviceAccountName == "default" }""",
        {},
    ),
    "Registries": (
        """violation[{"msg": msg}] {
  c := input_containers[_]; matching := [good | repo := input.parameters.repos[_]; good := startswith(c.image, repo)]
  not any(matching); msg := sprintf("image %v of %v is from no allowed registry", [c.image, c.name])
}""",
        {"repos": ["registry.example.com/", "mirror.example.com/"]},
    ),
    "Digests": (
        """violation[{"msg": msg}] {
  c := input_containers[_]; not is_exempt(c); not regex.match("@[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+", c.image)
  msg := sprintf("image %v of %v has no digest", [c.image, c.name])
}""",
        {},
    ),
    "Limits": (
        """violation[{"msg": msg}] {
  c := input_containers[_]; not is_exempt(c); resource := input.parameters.limits[_]
  not has_field(object.get(object.get(c, "resources", {}), "limits", {}), resource)
  msg := sprintf("container %v has no limit for %v", [c.name, resource])
}""",
        {"limits": ["cpu", "memory"]},
    ),
}
COUNT = len(_RULES)


def documents() -> tuple[list[Json], list[Json]]:
    """Templates, and one constraint of each."""
    templates, constraints = [], []
    for name, (rego, parameters) in _RULES.items():
        kind = f"Bench{name}"
        names = {
            "names": {"kind": kind},
            "validation": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        }
        target = {"target": "admission.k8s.gatekeeper.sh", "rego": f"package {kind.lower()}\n{_HELPERS}\n{rego}\n"}
        templates.append(
            {
                "apiVersion": "templates.gatekeeper.sh/v1",
                "kind": "ConstraintTemplate",
                "metadata": {"name": kind.lower()},
                "spec": {"crd": {"spec": names}, "targets": [target]},
            }
        )
        given = {**parameters, "exemptImages": ["registry.example.com/exempt/"]}
        constraints.append(
            {
                "apiVersion": "constraints.gatekeeper.sh/v1beta1",
                "kind": kind,
                "metadata": {"name": f"bench-{name.lower()}"},
                "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}, "parameters": given},
            }
        )
    return templates, constraints


def pod(number: int, *, allowed: bool = True) -> Json:
    """A Pod of about 6 kB with three containers and an init container; ``number`` makes it differ from others."""
    digest = f"{number:064x}"
    containers = [_container(f"c{i}", digest, i) for i in range(3)]
    spec: Json = {
        "serviceAccountName": "web",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "fsGroup": 2000, "seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [_container("init", digest, 9)],
        "containers": containers,
        "volumes": [
            {"name": "config", "configMap": {"name": "web", "defaultMode": 420}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        ],
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "web", "effect": "NoSchedule"}],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
    }
    labels = {"app.kubernetes.io/name": "web", "app.kubernetes.io/part-of": "shop", "pod-template-hash": "5d4f8c7b9"}
    metadata = {
        "name": f"web-{number}",
        "namespace": "shop",
        "labels": labels,
        "annotations": {"checksum/config": digest},
    }
    item = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    if not allowed:
        item = copy.deepcopy(item)
        item["spec"]["hostPID"] = True
        item["spec"]["containers"][0]["securityContext"] = {"privileged": True}
        item["spec"]["volumes"].append({"name": "root", "hostPath": {"path": "/"}})
    return item


def _container(name: str, digest: str, index: int) -> Json:
    probe = {"httpGet": {"path": "/healthz", "port": 8080 + index, "scheme": "HTTP"}, "periodSeconds": 10}
    return {
        "name": name,
        "image": f"registry.example.com/shop/{name}@sha256:{digest}",
        "args": ["--listen", f":{8080 + index}", "--config", "/etc/web/config.yaml"],
        "env": [{"name": f"SETTING_{i}", "value": f"value-{index}-{i}"} for i in range(14)],
        "ports": [{"name": "http", "containerPort": 8080 + index, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "livenessProbe": probe,
        "readinessProbe": probe,
        "volumeMounts": [{"name": "config", "mountPath": "/etc/web"}, {"name": "tmp", "mountPath": "/tmp"}],
        "terminationMessagePath": "/dev/termination-log",
        "imagePullPolicy": "IfNotPresent",
    }


def review(number: int, *, allowed: bool = True) -> Json:
    """The AdmissionReview that creates one."""
    item = pod(number, allowed=allowed)
    request = {
        "uid": f"00000000-0000-4000-8000-{number:012x}",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
        "requestResource": {"group": "", "version": "v1", "resource": "pods"},
        "name": item["metadata"]["name"],
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {
            "username": "system:serviceaccount:kube-system:replicaset-controller",
            "groups": ["system:authenticated"],
        },
        "object": item,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
