{{/* Requests that are sent at all: the same conditions as `govgate webhook-config` prints; a test compares the two. */}}
{{- define "govgate.conditions" -}}
- name: not-leases
  expression: >-
    !(request.resource.group == 'coordination.k8s.io' && request.resource.resource == 'leases')
- name: not-events
  expression: >-
    !(request.resource.resource == 'events' && request.resource.group in ['', 'events.k8s.io'])
- name: not-nodes
  expression: >-
    !(request.resource.group == '' && request.resource.resource == 'nodes')
- name: not-reviews
  expression: >-
    !(request.resource.group in ['authentication.k8s.io', 'authorization.k8s.io'])
- name: not-apiserver
  expression: >-
    !(has(request.userInfo.username) && request.userInfo.username == 'system:apiserver')
- name: not-node-bootstrap
  expression: >-
    !(request.resource.group == 'certificates.k8s.io' && request.resource.resource == 'certificatesigningrequests') && !(request.resource.group == 'storage.k8s.io' && request.resource.resource in ['csinodes', 'csistoragecapacities', 'volumeattachments'])
- name: not-endpoints-churn
  expression: >-
    !(request.resource.resource in ['endpoints', 'endpointslices'] && request.resource.group in ['', 'discovery.k8s.io'] && has(request.userInfo.username) && (request.userInfo.username.startsWith('system:serviceaccount:kube-system:') || request.userInfo.username == 'system:kube-controller-manager'))
- name: not-system-pods
  expression: >-
    !(request.resource.group == '' && request.resource.resource == 'pods' && has(request.namespace) && request.namespace == 'kube-system' && ((has(request.userInfo.username) && (request.userInfo.username.startsWith('system:serviceaccount:kube-system:') || request.userInfo.username == 'system:kube-controller-manager')) || (has(request.userInfo.groups) && 'system:nodes' in request.userInfo.groups)))
- name: not-pod-objects
  expression: >-
    !(request.resource.resource + '.' + request.resource.group in ['blockaffinities.crd.projectcalico.org', 'blockaffinities.projectcalico.org', 'ciliumendpoints.cilium.io', 'ciliumendpointslices.cilium.io', 'ciliumidentities.cilium.io', 'clusterinformations.crd.projectcalico.org', 'clusterinformations.projectcalico.org', 'cninodes.vpcresources.k8s.aws', 'ipamblocks.crd.projectcalico.org', 'ipamblocks.projectcalico.org', 'ipamhandles.crd.projectcalico.org', 'ipamhandles.projectcalico.org', 'ippools.whereabouts.cni.cncf.io', 'logicalvolumes.topolvm.io', 'networkinterfaces.network.alibabacloud.com', 'nodenetworkconfigs.acn.azure.com', 'noderuntimes.network.alibabacloud.com', 'nodes.network.alibabacloud.com', 'nodeslicepools.whereabouts.cni.cncf.io', 'overlappingrangeipreservations.whereabouts.cni.cncf.io', 'podenis.network.alibabacloud.com', 'policyendpoints.networking.k8s.aws'])
- name: not-driver-objects
  expression: >-
    !(request.resource.resource + '.' + request.resource.group in ['ciliumnodes.cilium.io', 'ips.kubeovn.io'] && ((has(request.userInfo.username) && (request.userInfo.username.startsWith('system:serviceaccount:kube-system:') || request.userInfo.username == 'system:kube-controller-manager')) || (has(request.userInfo.username) && request.resource.resource + '.' + request.resource.group in ['ciliumnodes.cilium.io'] && request.userInfo.username.matches('^system:serviceaccount:[a-z0-9-]+:(cilium|cilium-operator)$')) || (has(request.userInfo.username) && request.resource.resource + '.' + request.resource.group in ['ips.kubeovn.io'] && request.userInfo.username.matches('^system:serviceaccount:[a-z0-9-]+:(kube-ovn-cni|ovn)$'))))
- name: not-own-volumes
  expression: >-
    !(request.resource.group == '' && request.resource.resource == 'persistentvolumes' && object != null && has(object.spec.claimRef) && has(object.spec.claimRef.namespace) && object.spec.claimRef.namespace == '{{ .Release.Namespace }}' && (oldObject == null || (has(request.userInfo.username) && (request.userInfo.username.startsWith('system:serviceaccount:kube-system:') || request.userInfo.username == 'system:kube-controller-manager')) || (oldObject.spec == object.spec && has(oldObject.metadata.labels) == has(object.metadata.labels) && (!has(object.metadata.labels) || oldObject.metadata.labels == object.metadata.labels) && has(oldObject.metadata.annotations) == has(object.metadata.annotations) && (!has(object.metadata.annotations) || oldObject.metadata.annotations == object.metadata.annotations))))
{{- with .Values.webhook.excludedGroups }}
- name: not-excluded-groups
  expression: >-
    !(request.resource.group in ['{{ join "', '" . }}'])
{{- end }}
{{- end }}

{{- define "govgate.provenanceCondition" -}}
- name: fetches
  expression: >-
    request.resource.group in ['', 'apps', 'argoproj.io', 'batch', 'govgate.dev', 'helm.toolkit.fluxcd.io', 'pkg.crossplane.io', 'source.toolkit.fluxcd.io']
{{- end }}
