"""Pods that differ from a harmless one in one field each: every field that the Pod Security Standards name, and more."""

from __future__ import annotations

import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

Json = dict[str, Any]
Path = tuple[str, ...]
Change = tuple[Path, Any]
"""A path in the Pod, through lists by number, and the value to set there."""

HARDENED: Json = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_LISTS = ("initContainers", "containers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_CAPABILITIES = (
    "ALL", "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN", "SYS_CHROOT", "CAP_CHOWN", "chown",
)  # fmt: skip
_SYSCTLS = (
    "kernel.msgmax", "kernel.shm_rmid_forced", "net.core.somaxconn", "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_rmem", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem",
    "net/ipv4/tcp_syncookies",
)  # fmt: skip
_VOLUMES: Json = {
    "awsElasticBlockStore": {"volumeID": "v"},
    "azureDisk": {"diskName": "d", "diskURI": "https://blob/x"},
    "azureFile": {"secretName": "s", "shareName": "s"},
    "cephfs": {"monitors": ["m"]},
    "cinder": {"volumeID": "v"},
    "configMap": {"name": "c"},
    "csi": {"driver": "d.example"},
    "downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]},
    "emptyDir": {},
    "ephemeral": {
        "volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1"}}}}
    },
    "fc": {"wwids": ["w"]},
    "flexVolume": {"driver": "d/e"},
    "flocker": {"datasetName": "d"},
    "gcePersistentDisk": {"pdName": "d"},
    "gitRepo": {"repository": "https://git.example/r"},
    "glusterfs": {"endpoints": "e", "path": "p"},
    "hostPath": {"path": "/"},
    "image": {"reference": "registry.example/data:1"},
    "iscsi": {"targetPortal": "127.0.0.1", "iqn": "iqn.2001-04.com.example:s", "lun": 0},
    "nfs": {"server": "s", "path": "/"},
    "persistentVolumeClaim": {"claimName": "c"},
    "photonPersistentDisk": {"pdID": "p"},
    "portworxVolume": {"volumeID": "v"},
    "projected": {"sources": [{"configMap": {"name": "c"}}]},
    "quobyte": {"registry": "r:1", "volume": "v"},
    "rbd": {"monitors": ["m"], "image": "i"},
    "scaleIO": {"gateway": "g", "system": "s", "secretRef": {"name": "s"}, "volumeName": "v"},
    "secret": {"secretName": "s"},
    "storageos": {"volumeName": "v"},
    "vsphereVolume": {"volumePath": "v"},
}


_UNMASKED = ("securityContext", "procMount")


def harmless() -> Json:
    """A Pod that the restricted standard allows, each container by itself; the first may have probes, as a sidecar."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "annotations": {}, "labels": {"app": "web"}},
        "spec": {
            "securityContext": {},
            "initContainers": [_container("first") | {"restartPolicy": "Always"}],
            "containers": [_container("app"), _container("sidecar")],
        },
    }


def windows() -> Json:
    """A Pod for Windows that the restricted standard allows."""
    pod = harmless()
    pod["spec"]["os"] = {"name": "windows"}
    pod["spec"]["securityContext"] = {"runAsNonRoot": True}
    for name in _LISTS:
        for container in pod["spec"][name]:
            container["securityContext"] = {}
    return pod


def changes() -> list[Change]:
    """Every single change."""
    found = [(("spec", *path), value) for path, value in _of_pod()]
    for name in _LISTS:
        found += [(("spec", name, "0", *path), value) for path, value in _of_container()]
    found += [(("spec", "containers", "1", *path), value) for path, value in _of_security_context()]
    key = "container.apparmor.security.beta.kubernetes.io/"
    annotations = [(f"{key}{name}", value) for name in ("app", "first") for value in _APP_ARMOR_ANNOTATIONS]
    annotations += [("seccomp.security.alpha.kubernetes.io/pod", "unconfined"), ("example.com/x", "unconfined")]
    found += [(("metadata", "annotations", name), value) for name, value in annotations]
    for name in _LISTS:
        spec = changed(harmless(), (("spec", "hostUsers"), False), (("spec", name, "0", *_UNMASKED), "Unmasked"))[
            "spec"
        ]
        found.append((("spec",), spec))
    return found


_APP_ARMOR_ANNOTATIONS = ("unconfined", "runtime/default", "localhost/profile", "")


def windows_changes() -> list[Change]:
    """Single changes of a Windows Pod. HostProcess goes with the host network and with all containers at once."""
    host_process = {"windowsOptions": {"hostProcess": True, "runAsUserName": "NT AUTHORITY\\SYSTEM"}}
    found: list[Change] = [((), None)]
    found += [(("spec", "securityContext", "runAsNonRoot"), value) for value in (True, False, None)]
    found += [(("spec", "hostNetwork"), True), (("spec", "containers", "0", "ports"), [{"containerPort": 1}])]
    found += [(("spec", "os", "name"), "linux"), (("spec", "os"), None)]
    found += [(("spec", "containers", "0", "securityContext", "windowsOptions"), {"hostProcess": False})]
    found += [(("spec",), windows()["spec"] | {"hostNetwork": True, "securityContext": host_process})]
    return found


def changed(pod: Json, *made: Change) -> Json:
    """The Pod with these changes."""
    result = deepcopy(pod)
    for path, value in made:
        _set(result, path, deepcopy(value))
    return result


def described(*made: Change) -> str:
    """What was changed, for a message."""
    return "; ".join(f"{'.'.join(path)} = {value}" for path, value in made)


def combinations(seed: int, count: int) -> Iterator[tuple[Change, ...]]:
    """Two to five changes at once, the same for a seed."""
    rng = random.Random(seed)  # noqa: S311 - test data
    single = changes()
    hardening: list[Change] = [(("spec", "hostUsers"), False), (("spec", "hostNetwork"), True)]
    hardening += [(("spec", "securityContext", name), value) for name, value in HARDENED.items() if name[0] in "rs"]
    for name in ("app", "first"):
        place = ("spec", "containers" if name == "app" else "initContainers", "0", "securityContext")
        hardening += [((*place, key), None) for key in HARDENED]
    for _ in range(count):
        yield tuple(rng.sample(hardening, rng.randint(0, 3)) + rng.sample(single, rng.randint(1, 3)))


def _container(name: str) -> Json:
    return {"name": name, "image": f"registry.example/{name}:1.2", "securityContext": deepcopy(HARDENED)}


def _of_pod() -> Iterator[Change]:
    for name in ("hostNetwork", "hostPID", "hostIPC", "hostUsers", "shareProcessNamespace"):
        yield from (((name,), value) for value in (True, False, None))
    yield ("securityContext",), None
    yield from ((("securityContext", *path[1:]), value) for path, value in _of_both())
    yield from ((("securityContext", "sysctls"), [{"name": name, "value": "1"}]) for name in _SYSCTLS)
    yield from ((("volumes",), [{"name": "v", kind: source}]) for kind, source in _VOLUMES.items())
    yield ("volumes",), [{"name": "v"}]
    yield ("volumes",), [{"name": "v", "hostPath": None}]
    yield ("os",), {"name": "linux"}


def _of_both() -> Iterator[Change]:
    """Of a security context, the Pod's or a container's."""
    for name in ("appArmorProfile", "seccompProfile"):
        place = ("securityContext", name)
        yield from ((place, {"type": kind}) for kind in ("RuntimeDefault", "Unconfined"))
        yield place, {"type": "Localhost", "localhostProfile": "profile.json"}
        yield place, None
    for option in ("type", "user", "role", "level"):
        values = ("spc_t", "container_t", "container_init_t", "container_kvm_t", "container_engine_t", "")
        yield from ((("securityContext", "seLinuxOptions"), {option: value}) for value in values)
    yield ("securityContext", "seLinuxOptions"), {}
    yield from ((("securityContext", "runAsNonRoot"), value) for value in (True, False, None))
    yield from ((("securityContext", "runAsUser"), value) for value in (0, 1, None))
    yield ("securityContext", "runAsGroup"), 0
    yield ("securityContext", "windowsOptions"), {"hostProcess": False}


def _of_security_context() -> Iterator[Change]:
    yield ("securityContext",), None
    yield from _of_both()
    yield from ((("securityContext", "allowPrivilegeEscalation"), value) for value in (True, False, None))
    yield from ((("securityContext", "privileged"), value) for value in (False, None))
    yield ("securityContext",), {**HARDENED, "privileged": True, "allowPrivilegeEscalation": True}
    yield from ((("securityContext", "procMount"), value) for value in ("Default", None))
    yield from ((("securityContext", "capabilities"), {"drop": [name]}) for name in ("ALL", "all", "NET_RAW"))
    yield from ((("securityContext", "capabilities"), value) for value in (None, {}, {"drop": ["NET_RAW", "ALL"]}))
    for name in _CAPABILITIES:
        yield ("securityContext", "capabilities"), {"drop": ["ALL"], "add": [name]}


def _of_container() -> Iterator[Change]:
    yield from _of_security_context()
    yield ("ports",), [{"containerPort": 80, "hostPort": 80}]
    yield ("ports",), [{"containerPort": 80}, {"containerPort": 81, "hostPort": 0}]
    for host in ("example.com", "127.0.0.1", "", None):
        for kind in ("httpGet", "tcpSocket"):
            handler = {kind: {"port": 80, "host": host}}
            yield from (((name,), handler) for name in _PROBES)
            yield from ((("lifecycle",), {name: handler}) for name in ("postStart", "preStop"))


def _set(item: Any, path: Path, value: Any) -> None:
    for key in path[:-1]:
        if isinstance(item, list):
            item = item[int(key)]
        else:
            if item.get(key) is None:
                item[key] = {}
            item = item[key]
    if path:
        item[path[-1]] = value
