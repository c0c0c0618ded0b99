"""CustomResourceDefinitions of the reconcilers' kinds, as small as can be: any spec, any status, few subresources."""

from __future__ import annotations

from typing import Any, NamedTuple

Json = dict[str, Any]


class Crd(NamedTuple):
    """``versions``: the served ones, the stored one first. ``scales``: with the subresource ``scale``."""

    group: str
    kind: str
    plural: str
    versions: tuple[str, ...]
    scope: str = "Namespaced"
    scales: bool = False

    def manifest(self) -> Json:
        """The object to create."""
        any_object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        # Argo CD keeps the running `operation` at the top of an Application.
        properties = {"spec": any_object, "status": any_object, "operation": any_object}
        subresources: Json = {} if self.kind == "Application" else {"status": {}}
        if self.scales:
            count = {"type": "integer", "format": "int32"}
            properties["spec"] = {**any_object, "properties": {"replicas": count}}
            properties["status"] = {**any_object, "properties": {"replicas": count}}
            subresources["scale"] = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
        versions = [
            {
                "name": version,
                "served": True,
                "storage": index == 0,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
                "subresources": subresources,
            }
            for index, version in enumerate(self.versions)
        ]
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{self.plural}.{self.group}"},
            "spec": {
                "group": self.group,
                "names": {"kind": self.kind, "plural": self.plural, "listKind": f"{self.kind}List"},
                "scope": self.scope,
                "versions": versions,
            },
        }


FLUX = (
    Crd("kustomize.toolkit.fluxcd.io", "Kustomization", "kustomizations", ("v1",)),
    Crd("helm.toolkit.fluxcd.io", "HelmRelease", "helmreleases", ("v2",)),
    Crd("source.toolkit.fluxcd.io", "GitRepository", "gitrepositories", ("v1",)),
    Crd("source.toolkit.fluxcd.io", "OCIRepository", "ocirepositories", ("v1",)),
    Crd("source.toolkit.fluxcd.io", "HelmRepository", "helmrepositories", ("v1",)),
    Crd("source.toolkit.fluxcd.io", "HelmChart", "helmcharts", ("v1",)),
)
ARGO_CD = (
    Crd("argoproj.io", "Application", "applications", ("v1alpha1",)),
    Crd("argoproj.io", "AppProject", "appprojects", ("v1alpha1",)),
)
PACKAGES = (
    Crd("argoproj.io", "ApplicationSet", "applicationsets", ("v1alpha1",)),
    *(
        Crd("pkg.crossplane.io", kind, f"{kind.lower()}s", ("v1",), "Cluster")
        for kind in ("Provider", "Configuration", "Function", "ProviderRevision")
    ),
)
"""More that name what is fetched."""
EXTERNAL_SECRETS = (
    Crd("external-secrets.io", "ExternalSecret", "externalsecrets", ("v1", "v1beta1")),
    Crd("external-secrets.io", "SecretStore", "secretstores", ("v1",)),
    Crd("external-secrets.io", "ClusterSecretStore", "clustersecretstores", ("v1",), scope="Cluster"),
    Crd("external-secrets.io", "ClusterExternalSecret", "clusterexternalsecrets", ("v1",), scope="Cluster"),
    Crd("external-secrets.io", "PushSecret", "pushsecrets", ("v1alpha1",)),
    Crd("external-secrets.io", "ClusterPushSecret", "clusterpushsecrets", ("v1alpha1",), scope="Cluster"),
    Crd("generators.external-secrets.io", "Password", "passwords", ("v1alpha1",)),
    Crd("generators.external-secrets.io", "UUID", "uuids", ("v1alpha1",)),
    Crd("generators.external-secrets.io", "VaultDynamicSecret", "vaultdynamicsecrets", ("v1alpha1",)),
    Crd("generators.external-secrets.io", "ClusterGenerator", "clustergenerators", ("v1alpha1",), scope="Cluster"),
)
CONFIG_SYNC = (
    Crd("configsync.gke.io", "RootSync", "rootsyncs", ("v1beta1",)),
    Crd("configsync.gke.io", "RepoSync", "reposyncs", ("v1beta1",)),
)
PULUMI = (Crd("pulumi.com", "Stack", "stacks", ("v1",)),)
TOFU = (Crd("infra.contrib.fluxcd.io", "Terraform", "terraforms", ("v1alpha2",)),)
METAL3 = (Crd("metal3.io", "BareMetalHost", "baremetalhosts", ("v1alpha1",)),)
COMPOSED = (
    Crd("db.example.com", "XDatabase", "xdatabases", ("v1",), scope="Cluster"),
    Crd("rds.aws.upbound.io", "Instance", "instances", ("v1beta1",), scope="Cluster"),
)
"""A composite of somebody's own, and what a provider manages, for Crossplane."""
MACHINE_DEPLOYMENT = Crd("cluster.x-k8s.io", "MachineDeployment", "machinedeployments", ("v1beta2",), scales=True)
"""What cluster-autoscaler scales with Cluster API."""
AGENTS = (
    Crd("cilium.io", "CiliumIdentity", "ciliumidentities", ("v2",), "Cluster"),
    Crd("cilium.io", "CiliumEndpoint", "ciliumendpoints", ("v2",)),
    Crd("cilium.io", "CiliumNetworkPolicy", "ciliumnetworkpolicies", ("v2",)),
    Crd("crd.projectcalico.org", "IPAMBlock", "ipamblocks", ("v1",), "Cluster"),
    Crd("crd.projectcalico.org", "IPPool", "ippools", ("v1",), "Cluster"),
)
"""What network drivers write for new Pods, and what people declare in the same groups."""
DRIVEN = (
    Crd("cilium.io", "CiliumNode", "ciliumnodes", ("v2",), "Cluster"),
    Crd("kubeovn.io", "IP", "ips", ("v1",), "Cluster"),
)
"""What network drivers write for new Pods, and people declare as well."""
