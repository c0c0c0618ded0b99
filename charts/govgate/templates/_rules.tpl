{{/* What the guards read, at admission and in the background scan. No Secrets. */}}
{{- define "govgate.guardRules" -}}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get, list, watch]
- apiGroups: [govgate.dev]
  resources: [policywaivers, clusterpolicywaivers, trustpolicies, breakglasses]
  verbs: [get, list, watch]
- apiGroups: [kustomize.toolkit.fluxcd.io]
  resources: [kustomizations]
  verbs: [get, list, watch]
- apiGroups: [helm.toolkit.fluxcd.io]
  resources: [helmreleases]
  verbs: [get, list, watch]
- apiGroups: [source.toolkit.fluxcd.io]
  resources: [gitrepositories, ocirepositories, helmrepositories, buckets, helmcharts]
  verbs: [get, list, watch]
- apiGroups: [argoproj.io]
  resources: [applications, appprojects]
  verbs: [get, list, watch]
- apiGroups: [configsync.gke.io]
  resources: [rootsyncs, reposyncs]
  verbs: [get, list, watch]
{{- $drift := dig "drift" (dict) .Values.config }}
{{- if ne (dig "pulumi" "mode" "disabled" $drift) "disabled" }}
- apiGroups: [pulumi.com]
  resources: [stacks]
  verbs: [get, list, watch]
{{- end }}
{{- if ne (dig "tofuController" "mode" "disabled" $drift) "disabled" }}
- apiGroups: [infra.contrib.fluxcd.io]
  resources: [terraforms]
  verbs: [get, list, watch]
{{- end }}
{{- if has "cluster:gatekeeper" (dig "policy" "sources" (list) .Values.config) }}
- apiGroups: [templates.gatekeeper.sh, constraints.gatekeeper.sh, expansion.gatekeeper.sh]
  resources: ["*"]
  verbs: [get, list, watch]
{{- end }}
{{- end }}

{{- define "govgate.scanRules" -}}
- apiGroups: [""]
  resources:
    - bindings
    - configmaps
    - endpoints
    - limitranges
    - nodes
    - persistentvolumeclaims
    - persistentvolumes
    - pods
    - podtemplates
    - replicationcontrollers
    - resourcequotas
    - serviceaccounts
    - services
  verbs: [get, list, watch]
{{- with .Values.rbac.scanGroups }}
- apiGroups:
    {{- toYaml . | nindent 4 }}
  resources: ["*"]
  verbs: [get, list, watch]
{{- end }}
{{- end }}
